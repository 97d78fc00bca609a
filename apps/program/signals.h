// Ctrl-C and SIGTERM during long work. The first asks the work to save its state and end; the second ends at once.
#pragma once

namespace voxgrad::apps {

// What a verb throws after it has saved its state because of a signal; the program exits with 128 + signal.
struct Interrupted {
  int signal;
};

// While an object of this class lives, SIGINT and SIGTERM are noted; a second one ends the process with its exit code.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
};

// The signal that arrived since the outermost guard was made, or 0.
int pending_signal();

}  // namespace voxgrad::apps

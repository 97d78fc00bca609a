// Ctrl-C (SIGINT), SIGTERM and SIGHUP, which a closed terminal sends. During long work the first asks to save the state
// and end; the second ends at once. No end leaves a temporary file. Under nohup, SIGHUP is still ignored.
#pragma once

namespace voxgrad::apps {

// What a verb throws after it has saved its state because of a signal; the program exits with 128 + signal.
struct Interrupted {
  int signal;
};

// To be called at the start: a signal that nobody notes removes the temporary files before it ends the process.
void end_on_signals();

// While an object of this class lives, signals are noted; a second one ends the process with its exit code.
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

// Several processes that share the runs of a comparison.
#pragma once

#include <functional>
#include <vector>

namespace voxgrad::apps {

class Processes {
 public:
  // Calls body(0) .. body(count - 1), each in a process of its own. The object must be made before this process has
  // threads. What a body throws ends only its process; the caller has to look at what that one has left. The processes
  // do not get the signals of the terminal, and they end with this one. Throws Error(memory) if one cannot be started.
  Processes(int count, const std::function<void(int)>& body);
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  ~Processes();  // asks those that still run to end, as after an error of the caller, and waits for them
  void wait();   // for all of them
  // Returns false if all processes have ended; otherwise waits for a tenth of a second and returns true. The first
  // signal that this process has noted (program/signals.h) is passed on.
  bool pause();
  void send(int signal) const;
  int failed() const { return failed_; }  // of those that have ended: they threw, or a signal ended them

 private:
  bool running(int options);   // of waitpid
  std::vector<int> children_;  // process ids
  int passed_on_ = 0;          // a signal
  int failed_ = 0;
};

// Returns how many trainings can run side by side on this machine: one per thread, if there is 1 GiB of free memory for
// each, and at most 8.
int sensible_jobs(int threads);

}  // namespace voxgrad::apps

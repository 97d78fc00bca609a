// Several processes that share the runs of a comparison.
#pragma once

#include <functional>
#include <vector>

namespace voxgrad::apps {

class Processes {
 public:
  // Calls body(0) .. body(count - 1), each in a process of its own. To be made before this process has threads. What a
  // body throws ends its process only: the caller looks at what is there afterwards. The processes do not get the
  // signals of the terminal, and end with this one. Error(memory) if one cannot be started.
  Processes(int count, const std::function<void(int)>& body);
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;
  ~Processes() { wait(); }
  void wait();  // for all of them
  // False if none of them works any more; else waits for a tenth of a second.
  bool pause();
  void send(int signal) const;

 private:
  bool running(int options);   // of waitpid
  std::vector<int> children_;  // process ids
};

// How many trainings can run side by side on this machine: one per thread, as far as 1 GiB of free memory is there for
// each, at most 8.
int sensible_jobs(int threads);

}  // namespace voxgrad::apps

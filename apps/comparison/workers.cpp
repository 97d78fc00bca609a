#include "apps/comparison/workers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/error.h"

namespace voxgrad::apps {

void in_processes(int count, const std::function<void(int)>& body) {
  std::fflush(nullptr);  // or every child would print what is still in the buffers
  std::vector<pid_t> children;
  int failed = 0;
  for (int i = 0; i < count && failed == 0; ++i) {
    const pid_t child = ::fork();
    if (child < 0) failed = errno;
    if (child > 0) children.push_back(child);
    if (child != 0) continue;
    int code = 0;
    try {
      body(i);
    } catch (...) {
      code = 1;
    }
    std::fflush(nullptr);
    ::_exit(code);
  }
  for (const pid_t child : children)
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  if (failed != 0)
    throw Error(ErrorKind::memory, text("--jobs ", count, ": no further process: ", std::strerror(failed)),
                "take fewer");
}

}  // namespace voxgrad::apps

// Calls of the system that a signal may interrupt before they have done anything: open, read, write, fsync, ftruncate,
// waitpid. Nobody else repeats them.
#pragma once

#include <cerrno>

namespace voxgrad {

// Calls until the result is not "-1, and errno is EINTR".
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace voxgrad

#include "apps/comparison/processes.h"

#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "apps/program/console.h"
#include "apps/program/signals.h"
#include "engine/error.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad::apps {
namespace {

[[noreturn]] void work(int number, pid_t parent, const std::function<void(int)>& body) {
  ::setpgid(0, 0);  // Ctrl-C is passed on by the parent: once
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
  int code = 1;
  try {
    if (::getppid() == parent) body(number);
    code = 0;
  } catch (...) {  // the parent tries it again, where the error is seen
  }
  std::fflush(nullptr);
  ::_exit(code);
}

}  // namespace

Processes::Processes(int count, const std::function<void(int)>& body) {
  std::fflush(nullptr);  // or every child would print what is still in the buffers
  const pid_t parent = ::getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child == 0) work(i, parent, body);
    if (child > 0) {
      children_.push_back(child);
      continue;
    }
    const int code = errno;
    send(SIGTERM);
    running(0);
    throw Error(ErrorKind::memory, text("--jobs ", count, ": no further process: ", std::strerror(code)), "take fewer");
  }
}

Processes::~Processes() {
  send(SIGTERM);
  wait();
}

void Processes::wait() {
  while (running(0)) {
  }
}

bool Processes::running(int options) {
  std::erase_if(children_, [this, options](pid_t child) {
    int status = 0;
    const pid_t ended = uninterrupted([&] { return ::waitpid(child, &status, options); });
    if (ended > 0 && status != 0) ++failed_;
    return ended != 0;
  });
  return !children_.empty();
}

bool Processes::pause() {
  constexpr useconds_t kTenthOfASecond = 100'000;
  if (!running(WNOHANG)) return false;
  if (const int signal = pending_signal(); signal != 0 && passed_on_ == 0) send(passed_on_ = signal);
  ::usleep(kTenthOfASecond);
  return true;
}

void Processes::send(int signal) const {
  for (const int child : children_) ::kill(child, signal);
}

int sensible_jobs(int threads) {
  const std::int64_t bytes = available_memory_bytes(), gibibytes = bytes > 0 ? bytes >> 30 : 8;
  return static_cast<int>(std::clamp<std::int64_t>(std::min<std::int64_t>(threads, gibibytes), 1, 8));
}

}  // namespace voxgrad::apps

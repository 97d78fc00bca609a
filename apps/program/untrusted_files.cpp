#include "apps/program/untrusted_files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>

#include "data/h5/h5.h"
#include "engine/error.h"
#include "engine/io/uninterrupted.h"

namespace voxgrad::apps {
namespace {

constexpr int kNoMemory = 6;

void set_limit(int what, rlim_t value, rlim_t most) {
  const rlimit limit{value, most};
  ::setrlimit(what, &limit);
}

// Whether this process itself may have no more memory than that.
bool has_at_most(rlim_t bytes) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes;
}

// What this process has mapped; 0 if the system does not say.
rlim_t mapped_bytes() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

// Does not return. Only this thread is there: nothing may use the pool. `memory` in bytes; 0: no limit.
[[noreturn]] void read_and_exit(const std::string& path, const ChildLimits& limits, rlim_t memory,
                                void (*read)(const std::string&)) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, SIG_IGN);  // the parent decides
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(number, SIG_DFL);
  set_limit(RLIMIT_CORE, 0, 0);
  set_limit(RLIMIT_CPU, static_cast<rlim_t>(limits.seconds), static_cast<rlim_t>(limits.seconds) + 1);
  if (memory > 0 && !has_at_most(memory)) set_limit(RLIMIT_AS, memory, memory);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::close(stream);  // glibc complains when it aborts
  try {
    data::h5::Guard::own_after_fork();
    data::h5::set_precheck(nullptr);
    read(path);
  } catch (const std::bad_alloc&) {
    ::_exit(kNoMemory);
  } catch (const Error& error) {  // the parent finds out itself, unless it has more memory
    ::_exit(error.kind() == ErrorKind::memory ? kNoMemory : 0);
  } catch (const std::exception&) {  // the parent finds out itself
  }
  ::_exit(0);
}

}  // namespace

void read_in_child(const std::string& path, const ChildLimits& limits, void (*read)(const std::string&)) {
  const data::h5::Guard guard;  // so that no other thread is in the middle of a call
  const rlim_t mapped = mapped_bytes(), memory = mapped + (static_cast<rlim_t>(limits.megabytes) << 20);
  const pid_t child = ::fork();
  if (child == 0) read_and_exit(path, limits, mapped == 0 ? 0 : memory, read);
  if (child < 0)
    throw Error(ErrorKind::memory, path + ": cannot be looked at in a process of its own: " + std::strerror(errno));
  int status = 0;
  if (uninterrupted([&] { return ::waitpid(child, &status, 0); }) < 0)  // where SIGCHLD is ignored, nobody knows
    throw Error(ErrorKind::io,
                path + ": a process of its own looked at it, and its end is not known: " + std::strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoMemory && has_at_most(memory))
    throw Error(ErrorKind::memory, path + ": there is no memory to look at it in a process of its own",
                "`ulimit -v` says what this process may have");
  std::string what;
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
    what = text("the HDF5 library did not end within ", limits.seconds, " s on this file, or was killed");
  else if (WIFSIGNALED(status))
    what = text("the HDF5 library crashed on this file (", ::strsignal(WTERMSIG(status)), ")");
  else if (WEXITSTATUS(status) == kNoMemory)
    what = text("the HDF5 library wanted more than ", limits.megabytes, " MiB to list what is in this file");
  else if (WEXITSTATUS(status) != 0)  // a sanitizer
    what = text("the HDF5 library failed on this file (exit code ", WEXITSTATUS(status), ")");
  if (!what.empty())
    throw Error(ErrorKind::data, path + ": " + what + "; it is damaged or hostile", "fetch it or write it again");
}

ChildLimits limits_for(std::uintmax_t bytes) {
  constexpr std::uintmax_t kMostSecondsMore = 600;
  ChildLimits limits;  // HDF5 unpacks far more than 16 MiB of a file in a second
  limits.seconds += static_cast<int>(std::min(bytes >> 24, kMostSecondsMore));
  return limits;
}

void check_files_in_child() {
  data::h5::Guard::close_nothing_at_exit();
  data::h5::set_precheck([](const std::string& path) {
    std::error_code unknown;
    const std::uintmax_t bytes = std::filesystem::file_size(path, unknown);
    read_in_child(path, limits_for(unknown ? 0 : bytes), data::h5::walk);
  });
}

}  // namespace voxgrad::apps

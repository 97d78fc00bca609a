// How signals end a process: what was begun is removed, and what was ignored stays ignored.
#include "apps/program/signals.h"

#include "engine/io/atomic_file.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

// Runs f in a process of its own and returns its exit code, or 256 + the signal that ended it.
int ended(const std::function<void()>& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
    f();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("a signal that nobody notes ends the process and leaves no temporary file") {
  const Folder folder;
  const std::string path = folder.file("x"), other = folder.file("other");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CHECK(ended([&] {
            end_on_signals();
            { const AtomicFile saved(path); }
            const AtomicFile first(path), second(other);
            ::raise(signal);
          }) == 256 + signal);
    CHECK(std::filesystem::is_empty(folder.file("")));
  }
}

TEST_CASE("the second signal during long work leaves none either") {
  const Folder folder;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    CHECK(ended([&] {
            end_on_signals();
            const SignalGuard guard;
            const AtomicFile file(folder.file("x"));
            ::raise(signal);
            if (pending_signal() != signal) ::_exit(1);
            ::raise(SIGTERM);
          }) == 128 + SIGTERM);
    CHECK(std::filesystem::is_empty(folder.file("")));
  }
}

TEST_CASE("a temporary that got its name, or that another process has made since, is not removed") {
  const Folder folder;
  const std::string path = folder.file("x");
  CHECK(ended([&] {
          end_on_signals();
          AtomicFile file(path);
          file.save();
          write_bytes(path + ".tmp", "of another one");
          ::raise(SIGTERM);
        }) == 256 + SIGTERM);
  CHECK(std::filesystem::exists(path));
  CHECK(bytes_of(path + ".tmp") == "of another one");
}

TEST_CASE("a signal that is ignored from the start, as by nohup, stays so") {
  CHECK(ended([] {
          ::signal(SIGHUP, SIG_IGN);
          end_on_signals();
          ::raise(SIGHUP);
          const SignalGuard guard;
          ::raise(SIGHUP);
          ::_exit(pending_signal());
        }) == 0);
}

TEST_CASE("a verb without a state to save leaves nothing half written") {
  const Folder folder;
  const std::string path = folder.file("x.h5");
  Running process({"synth", "nuclei2d", "--cases", "600", "-o", path}, [] { ::signal(SIGTERM, SIG_DFL); });
  for (int i = 0; i < 600'000 && !std::filesystem::exists(path + ".tmp"); ++i) ::usleep(100);
  ::usleep(100'000);  // the handler knows a file some microseconds after it was made
  process.send(SIGTERM);
  CHECK(process.wait().code == 256 + SIGTERM);
  CHECK(std::filesystem::is_empty(folder.file("")));
}

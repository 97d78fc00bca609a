// What a terminal shows while losses are compared: nothing that was said is drawn over, and long rows are counted.
#include "apps/comparison/live.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using namespace voxgrad::test;

namespace {

// Whether there are terminals here: a container may have no /dev/ptmx.
bool has_terminals() {
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  const bool found = screen >= 0 && ::grantpt(screen) == 0 && ::unlockpt(screen) == 0;
  if (screen >= 0) ::close(screen);
  if (!found) {
    MESSAGE("skipped: there are no terminals here");
    CHECK(true);
  }
  return found;
}

// Calls `speak` with a terminal of 40 columns in place of stderr, and returns what it has written there.
std::string on_terminal(const std::function<void()>& speak) {
  ::setenv("TERM", "xterm", 1);
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (screen < 0 || ::grantpt(screen) != 0 || ::unlockpt(screen) != 0) throw std::runtime_error("no terminal");
  const int line = ::open(::ptsname(screen), O_RDWR | O_NOCTTY), before = ::dup(STDERR_FILENO);
  winsize size{};
  size.ws_row = 25;
  size.ws_col = 40;
  ::ioctl(line, TIOCSWINSZ, &size);
  ::dup2(line, STDERR_FILENO);
  speak();
  ::dup2(before, STDERR_FILENO);
  for (const int done : {before, line}) ::close(done);
  std::string seen;
  char buffer[4096];
  pollfd end{screen, POLLIN, 0};  // not every system says that the other side is closed
  for (ssize_t count = 0; ::poll(&end, 1, 500) > 0 && (count = ::read(screen, buffer, sizeof buffer)) > 0;)
    seen.append(buffer, static_cast<std::size_t>(count));
  ::close(screen);
  return seen;
}

}  // namespace

TEST_CASE("a table is drawn over the one before, but not over a warning") {
  if (!has_terminals()) return;
  const Comparison comparison = made_up({tested_run("a", "dice", 1, {0.5})});
  const std::string seen = on_terminal([&] {
    Console console;
    Live live(console, 9, 9);
    live.show(comparison, true, 1);
    live.show(comparison, true, 1);
    console.warn("lost");
    live.show(comparison, true, 1);
  });
  const std::size_t warning = seen.find("lost");
  REQUIRE(warning != std::string::npos);
  CHECK_MESSAGE(contains(seen.substr(0, warning), "\033[3A\033[J"), seen);
  CHECK_MESSAGE(contains(seen.substr(warning), "3/9 runs"), seen);
  CHECK_MESSAGE(!contains(seen.substr(warning), "A\033[J"), seen);
}

TEST_CASE("a line that is longer than a row of the terminal takes two") {
  if (!has_terminals()) return;
  const Comparison comparison = made_up({tested_run("a", std::string(60, 'x'), 1, {0.5})});
  const std::string seen = on_terminal([&] {
    Console console;
    Live live(console, 9, 9);
    live.show(comparison, true, 1);
    live.show(comparison, true, 1);
  });
  CHECK_MESSAGE(contains(seen, "\033[5A\033[J"), seen);  // the header, the loss, and the last line
}

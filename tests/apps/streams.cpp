// What a program finds where it is started: closed or broken streams, texts of strangers, little memory.
#include <csignal>
#include <filesystem>
#include <sstream>

#include "apps/program/json.h"
#include "tests/apps/support.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
namespace fs = std::filesystem;

namespace {

// Makes `stream` a pipe that nobody reads.
void break_pipe(int stream) {
  ::signal(SIGPIPE, SIG_DFL);
  int ends[2];
  if (::pipe(ends) != 0) ::_exit(126);
  ::close(ends[0]);
  ::dup2(ends[1], stream);
  ::close(ends[1]);
}

}  // namespace

TEST_CASE("a program without standard streams writes its results into no other file") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  const auto close_all = [] {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(stream);
  };
  CHECK(program(small_training(data, run), close_all).code == 0);
  std::istringstream log(bytes_of(run + "/log.jsonl"));
  int lines = 0;
  for (std::string line; std::getline(log, line); ++lines)
    CHECK_MESSAGE(Json::parse(line, nullptr, false).is_object(), line);
  CHECK(lines >= 5);
}

TEST_CASE("a training goes on if nobody reads its progress; a result that nobody reads ends the program") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32}), run = folder.file("run");
  const Outcome unread = program(small_training(data, run), [] { break_pipe(STDERR_FILENO); });
  CHECK(unread.code == 0);
  CHECK(contains(unread.out, "best epoch"));
  CHECK(Json::parse(bytes_of(run + "/run.json"))["exit_reason"] == "finished");
  const Outcome list = program({"losses"}, [] { break_pipe(STDOUT_FILENO); });
  CHECK(list.code == 256 + SIGPIPE);  // as `voxgrad losses | head`, without a message
  CHECK_MESSAGE(list.err.empty(), list.err);
}

TEST_CASE("texts of strangers reach no terminal as they are, and no message without bounds") {
  const Folder folder;
  Recipe recipe;
  recipe.splits = {{"train", {0}}, {"val\033[31m", {1}}};
  recipe.more = [](h5::Writer& out) {
    out.attribute("/", "license",
                  std::string("mine\033]0;title\007\xC2\x9B"
                              "2J"));
  };
  recipe.write(folder.file("cells.h5"));
  const Outcome shown = program({"inspect", folder.file("cells.h5")});
  CHECK_MESSAGE(shown.code == 0, shown.err);
  CHECK_MESSAGE(contains(shown.out, "mine\\u001b]0;title\\u0007\\u009b2J"), shown.out);
  CHECK_MESSAGE(contains(shown.out, "val\\u001b[31m"), shown.out);
  CHECK(Json::parse(program({"inspect", folder.file("cells.h5"), "--json"}).out).is_object());
  const Outcome missing = program({"inspect", folder.file("\033[2Jnone.h5")});
  CHECK(missing.code == 5);
  CHECK_MESSAGE(contains(missing.err, "\\u001b[2Jnone.h5"), missing.err);
  for (const std::string& words : {shown.out, shown.err, missing.err}) CHECK(!contains(words, "\033"));
  const Outcome endless = program({"train", folder.file("cells.h5"), "--loss", std::string(100000, 'x')});
  CHECK(endless.code == 2);
  CHECK(endless.err.size() < 10000);
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
TEST_CASE("without memory the hint names flags that the verb has") {
  const Folder folder;
  // One picture that does not fit: many small ones would be drawn for minutes until memory ends.
  const Outcome outcome =
      program({"synth", "nuclei2d", "--cases", "1", "--size", "8192,8192", "-o", folder.file("x.h5")}, [] {
        const rlimit bytes{rlim_t{600} << 20, rlim_t{600} << 20};
        ::setrlimit(RLIMIT_AS, &bytes);
      });
  CHECK_MESSAGE(outcome.code == 6, outcome.code, outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "hint: a smaller --cases or --size needs less"), outcome.err);
}

TEST_CASE("with little memory the program ends at once, with its result or with exit code 6") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32});
  for (const rlim_t mebibytes : {rlim_t{80}, rlim_t{100}, rlim_t{120}}) {
    const auto limit = [mebibytes] {
      const rlimit bytes{mebibytes << 20, mebibytes << 20};
      ::setrlimit(RLIMIT_AS, &bytes);
      ::alarm(20);
    };
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"--version"}, small_training(data, folder.file("run"))}) {
      const Outcome outcome = program(words, limit);
      const bool loaded = outcome.code != 127;  // else the libraries alone are too large
      CHECK_MESSAGE((outcome.code == 0 || outcome.code == 6 || !loaded), mebibytes, " MiB: ", outcome.code, " ",
                    outcome.err);
      std::filesystem::remove_all(folder.file("run"));
    }
  }
}
#endif

// `./dev learn`: the list of the exercises, and where the engine has what they ask for.
#include <cctype>
#include <sstream>

#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

Outcome dev_learn(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "learn");
  return Running(arguments, {}, VOXGRAD_SOURCE_DIR "/dev").wait();
}

}  // namespace

TEST_CASE("the ten exercises are listed, all of them open as they are shipped") {
  const Outcome outcome = dev_learn({});
  CHECK(outcome.code == 0);
  std::istringstream lines(outcome.out);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    ++count;
    CHECK_MESSAGE(line.find(text(count, "  open  ")) == (count < 10 ? 1u : 0u), line);
  }
  CHECK(count == 10);
}

TEST_CASE("an exercise builds its own target, and nothing else") {
  const Outcome outcome = dev_learn({"4", "--dry-run"});
  CHECK_MESSAGE(contains(outcome.err, "--target learn_4\n"), outcome.err);
  CHECK(dev_learn({"11"}).code != 0);
}

TEST_CASE("every exercise has its solution in the engine, and it is found") {
  for (int number = 1; number <= 10; ++number) {
    const Outcome outcome = dev_learn({std::to_string(number), "--solution"});
    CHECK_MESSAGE(outcome.code == 0, number, ": ", outcome.err);
    CHECK_MESSAGE(contains(outcome.out, ":"), number);
    CHECK_MESSAGE(outcome.out.size() > 200, number, ": ", outcome.out);
  }
}

TEST_CASE("an exercise needs nothing of a later one, and names what to read before") {
  int count = 0;
  for (const char* folder : {"/apps/examples/exercises", "/tests/apps/examples"})
    for (const auto& entry : std::filesystem::directory_iterator(VOXGRAD_SOURCE_DIR + std::string(folder))) {
      const std::string name = entry.path().filename().string(), content = bytes_of(entry.path().string());
      if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
      ++count;
      for (std::size_t at = 0; (at = content.find("exercises/", at)) != std::string::npos; ++at)
        if (std::isdigit(static_cast<unsigned char>(content[at + 10])))
          CHECK_MESSAGE(content.substr(at + 10, name.size()) == name, name, " includes ", content.substr(at, 40));
      if (folder[1] == 'a') CHECK_MESSAGE(contains(content, "\n// Read before: "), name);
    }
  CHECK(count == 20);
}

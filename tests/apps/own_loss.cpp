// A program of somebody else that registers a loss (tests/install/own_loss.cpp): the loss is in every verb.
#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

Outcome own(const std::vector<std::string>& arguments) { return Running(arguments, {}, VOXGRAD_OWN_LOSS).wait(); }

}  // namespace

TEST_CASE("a loss from outside the tree is listed, explained, suggested and compared") {
  CHECK(contains(own({"losses"}).out, "\n  brier "));
  CHECK(contains(own({"losses", "--markdown"}).out, "| `brier` | distribution |"));
  const Outcome explained = own({"losses", "brier"});
  CHECK_MESSAGE(contains(explained.out, "exponent of the error"), explained.out);
  CHECK_MESSAGE(contains(own({"losses", "brier:power"}).err + own({"losses", "brie"}).err, "did you mean \"brier\"?"),
                own({"losses", "brie"}).err);
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 8, {32, 32}), out = folder.file("out");
  const Outcome outcome =
      own({"compare", data, "--losses", "brier:power=1.5,dice", "--preset", "quick", "--steps", "4", "-o", out});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK_MESSAGE(contains(outcome.out, "brier:power=1.5"), outcome.out);
  const Json results = Json::parse(bytes_of(out + "/results.json"));
  CHECK(results["runs"].size() == 2);
  CHECK(results["runs"][0]["loss"] == "brier:power=1.5");
  CHECK(contains(program({"losses", "brier"}).err, "unknown name \"brier\""));
}

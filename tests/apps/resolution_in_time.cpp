// ctest labels: unsanitized
// The program makes images coarser by what it measures. A sanitizer slows the network and the rest by other factors.
#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

TEST_CASE("train --time makes images coarser whose predictions would take all of the time") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organ3d", 8, {32, 128, 128});
  const std::vector<std::string> words{"train",   data, "--patch", "16x16x16", "--base",    "48",
                                       "--depth", "2",  "--time",  "24s",      "--dry-run", "--json"};
  const Outcome outcome = program(words);
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json plan = Json::parse(outcome.out);
  CHECK(plan["config"]["spacing"] != "none");
  std::string why;
  for (const Json& reason : plan["reasons"])
    if (reason["setting"] == "spacing") why = reason["why"];
  CHECK_MESSAGE(contains(why, "of 24s: images are made coarser by a factor of"), why);
}

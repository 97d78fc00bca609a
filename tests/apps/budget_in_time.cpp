// ctest labels: unsanitized
// Trainings with --time, which go by the clock. A sanitizer slows the network and the rest by other factors.
#include "apps/program/json.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

TEST_CASE("train --time plans the steps, keeps the plan for a resumption, and refuses what contradicts it") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32});
  std::string run;
  Json manifest;
  std::int64_t steps = 0;
  for (const std::string time : {"4s", "16s", "60s"}) {  // a busy machine may measure slow steps, or have none left
    run = folder.file("run" + time);
    const Outcome outcome =
        program({"train", data, "-o", run, "--base", "4", "--depth", "2", "--time", time, "--json", "-q"});
    if (outcome.code == 2 && contains(outcome.err, "not one step fits")) continue;
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    manifest = Json::parse(bytes_of(run + "/run.json"));
    steps = manifest["config"]["steps"];
    if (steps > 10) break;
  }
  REQUIRE(steps > 10);
  CHECK(manifest["results"]["history"].back()["step"] == steps);
  CHECK(manifest["config"]["tta"] == "on");  // a mirrored test takes little of that time
  // The page of the run says that its settings make it again.
  CHECK(program({"train", "--config", run + "/config.toml", "-o", folder.file("again"), "-q"}).code == 0);
  CHECK(bytes_of(folder.file("again/best.safetensors")) == bytes_of(run + "/best.safetensors"));
  const Outcome taken = program({"train", data, "-o", run, "--time", "60s"});  // refused before any plan
  CHECK(taken.code == 2);
  CHECK(contains(taken.err, "a run is in it already"));
  CHECK(!contains(taken.err, "fit 60s"));
  CHECK(program({"train", data, "--time", "5s", "--steps", "3"}).code == 2);
  CHECK(program({"train", data, "--time", "soon"}).code == 2);
  CHECK(program({"train", "--resume", run, "--time", "5s"}).code == 2);
  CHECK(program({"train", data, "--time", "10ms"}).code == 2);
}

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

// ctest labels: unsanitized
// Trainings with --time, which go by the clock. A sanitizer slows the network and the rest by other factors.
#include <chrono>
#include <thread>

#include "apps/program/json.h"
#include "apps/training/budget.h"
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

TEST_CASE("steps of cases that stay in memory in part take the time between that of all and that of none") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 60, {32, 32}));
  TrainConfig config;
  config.data = dataset.info().path;
  config.base = 4;
  config.depth = 2;
  config.batch = 1;
  Plan plan = make_plan(dataset, config);
  const data::CasePreparation usual = plan.loader.prepare;
  plan.loader.prepare = [usual](data::Case& one) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (usual) usual(one);
  };
  plan.loader.threads = 1;
  const std::size_t all = plan.loader.cases.size() * 32 * 32 * 5;  // f32 images and u8 labels
  const auto costs_with = [&](std::size_t bytes) {
    Plan other = plan;
    other.loader.cache_bytes = bytes;
    return measure_costs(dataset, other, Device::cpu, 0.3, 1, [] {});
  };
  const Costs none = costs_with(0), most = costs_with(all / 10 * 9), whole = costs_with(10 * all);
  CHECK(none.step > 0.03);
  CHECK_MESSAGE(most.step - whole.step < none.step - most.step, whole.step, " ", most.step, " ", none.step);
  CHECK(none.reading == 0);
  CHECK(most.reading > 0.5 * none.step);  // its first patch waits for a case
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

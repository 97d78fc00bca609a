// The number of steps that fit a time, by arithmetic alone: what a machine really takes, no test can know.
#include "apps/training/budget.h"

#include <cmath>

#include "apps/program/json.h"
#include "apps/training/history.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

Plan plan_of(std::int64_t steps_per_epoch, std::int64_t validate_every) {
  Plan plan;
  plan.steps_per_epoch = steps_per_epoch;
  plan.config.validate_every = validate_every;
  return plan;
}

}  // namespace

TEST_CASE("times are read as people write them") {
  CHECK(parse_time("90s") == 90);
  CHECK(parse_time("20min") == 1200);
  CHECK(parse_time("1.5h") == 5400);
  CHECK(parse_time("1h30min10s") == 5410);
  for (const char* wrong : {"", "20", "0s", "-5min", "5 min", "min", "1e999s", "nan", "10h!", "5minutes"})
    CHECK_THROWS_AS_MESSAGE(parse_time(wrong), Error, wrong);
}

TEST_CASE("the planned training takes the time that was given, and not a step more would fit") {
  for (const double seconds : {20.0, 60.0, 600.0, 7200.0})
    for (const double validation : {0.0, 0.1, 3.0})
      for (const std::int64_t every : {0, 1, 5}) {
        Plan plan = plan_of(25, every);
        const Costs costs{.step = 0.05, .epoch = 0.01, .validation = validation, .test = 4};
        fit_time(plan, costs, seconds);
        CHECK(seconds_of(plan, costs) <= seconds);
        CHECK(plan.config.steps == plan.steps);
        CHECK(plan.schedule.total == plan.steps);
        CHECK(plan.config.validate_every >= every);
        CHECK((plan.config.validate_every == 0) == (every == 0));
        // Validations that nobody needs take a tenth of the time at most.
        Plan no_validation = plan_of(25, 0);
        fit_time(no_validation, costs, seconds);
        CHECK(static_cast<double>(plan.steps) > 0.75 * static_cast<double>(no_validation.steps));
        set_steps(plan, plan.steps + 1);
        CHECK(seconds_of(plan, costs) > seconds);
      }
}

TEST_CASE("maps of the training cases take a part of the time") {
  Plan plan = plan_of(25, 1), mapped = plan_of(25, 1);
  fit_time(plan, {.step = 0.05, .epoch = 0.01, .test = 4}, 60);
  const Costs costs{.step = 0.05, .epoch = 0.01, .test = 4, .maps = 10};
  fit_time(mapped, costs, 60);
  CHECK(plan.steps - mapped.steps >= 150);
  CHECK(seconds_of(mapped, costs) <= 60);
}

TEST_CASE("checkpoints are planned as they are written: with validations, and ten seconds after the one before") {
  Plan plan = plan_of(25, 2);
  plan.val = plan.validated = {0};
  const auto checkpoints = [&](double step) {
    return seconds_of(plan, {.step = step, .checkpoint = 1}) - seconds_of(plan, {.step = step});
  };
  const auto near = [](double value, double wanted) { return std::abs(value - wanted) < 1e-6; };
  set_steps(plan, 1000);               // 40 epochs, 20 validations
  CHECK(near(checkpoints(0.06), 21));  // a validation every three seconds, and one before the first step
  CHECK(near(checkpoints(0.3), 41));   // every 15 seconds: at most one more between two
  CHECK(near(checkpoints(3), 41));     // no epoch has two
  plan.config.validate_every = 0;
  CHECK(near(checkpoints(0.055), 7));  // 55 seconds with one validation, at their end
  plan.config.validate_every = 2;
  plan.val.clear();  // without a validation case no epoch is the best before the last one
  plan.validated.clear();
  CHECK(near(checkpoints(0.055), 7));
  plan.on_nan = OnNan::rollback;
  CHECK(near(checkpoints(0.055), 41));
}

TEST_CASE("a very long training has longer epochs, of which its checkpoints can keep a record") {
  Plan plan = plan_of(25, 1);
  const std::int64_t usual = plan.steps_per_epoch;
  set_steps(plan, 10'000'000);
  CHECK(plan.epoch_of(plan.steps) <= 75'000);
  Plan again = plan_of(25, 1);
  set_steps(again, 5);
  set_steps(again, 10'000'000);
  CHECK(again.steps_per_epoch == plan.steps_per_epoch);
  set_steps(plan, 1000);
  CHECK(plan.steps_per_epoch == usual);
}

TEST_CASE("a time in which nothing can be learned is refused with what takes how long") {
  Plan plan = plan_of(20, 1);
  try {
    fit_time(plan, {.step = 2, .epoch = 0, .validation = 3, .test = 10}, 12);
    FAIL("was not refused");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    CHECK(error.message().find("not one step fits") != std::string::npos);
  }
}

TEST_CASE("a training ends when it has lost its patience, and is then complete") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 10, {32, 32});
  const std::string run = folder.file("run");
  // A rate this small teaches nothing, so that no validation is better than the first one.
  const Outcome outcome = program({"train", data, "-o", run, "--base", "4", "--depth", "2", "--steps", "2000", "--lr",
                                   "1e-30", "--weight-decay", "0", "--patience", "2", "--json", "-q"});
  REQUIRE(outcome.code == 0);
  const Json manifest = Json::parse(bytes_of(run + "/run.json"));
  CHECK(manifest["exit_reason"] == "finished");
  CHECK(manifest["results"]["history"].size() == 3);
  CHECK(Json::parse(outcome.out)["best_epoch"] == 1);
  // Patience that nothing could end is refused, and so is a comparison with unequal numbers of steps.
  CHECK(program({"train", data, "--patience", "2", "--validate-every", "0"}).code == 2);
  CHECK(program({"compare", data, "--losses", "ce", "-o", folder.file("c"), "--patience", "2"}).code == 2);
  CHECK(program({"train", "--resume", run, "-q"}).code == 0);
  CHECK(Json::parse(bytes_of(run + "/run.json"))["results"]["history"].size() == 3);
}

// How often and on how many cases a training is validated, by arithmetic; and that a resumed run validates as before.
#include "apps/training/validation.h"

#include <numeric>

#include "apps/program/json.h"
#include "apps/training/budget.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

Plan plan_of(std::int64_t epochs, std::int64_t every, std::int64_t cases) {
  Plan plan;
  plan.steps_per_epoch = 20;
  set_steps(plan, 20 * epochs);
  plan.config.validate_every = every;
  plan.val.resize(static_cast<std::size_t>(cases));
  std::iota(plan.val.begin(), plan.val.end(), 100);
  set_validated(plan, 0);
  return plan;
}

}  // namespace

TEST_CASE("indices are evenly spread") {
  CHECK(evenly(3, 2) == std::vector<std::int64_t>{0, 1});
  CHECK(evenly(2, 8) == std::vector<std::int64_t>{2, 6});
  CHECK(evenly(4, 0).empty());
}

TEST_CASE("first validations are left out, then cases, then validations again") {
  const auto bounded = [](std::int64_t epochs, std::int64_t every, std::int64_t cases, double allowed) {
    Plan plan = plan_of(epochs, every, cases);
    bound_validations(plan, allowed);
    CHECK(plan.config.validate_cases == std::ssize(plan.validated));
    return std::pair{plan.config.validate_every, plan.config.validate_cases};
  };
  using Pair = std::pair<std::int64_t, std::int64_t>;
  CHECK(bounded(60, 1, 100, 60) == Pair{1, 100});    // all is allowed
  CHECK(bounded(60, 1, 100, 30.5) == Pair{2, 100});  // every second one
  CHECK(bounded(60, 5, 100, 30) == Pair{5, 100});    // nobody wished for more
  CHECK(bounded(60, 1, 100, 10) == Pair{6, 100});
  CHECK(bounded(60, 1, 100, 5) == Pair{6, 50});  // ten validations of half of the cases
  CHECK(bounded(60, 1, 100, 0.4) == Pair{12, 8});
  CHECK(bounded(60, 1, 100, 0.01) == Pair{60, 8});  // one validation of eight cases always takes place
  CHECK(bounded(4, 1, 100, 2) == Pair{1, 50});      // there are four validations only
  CHECK(bounded(60, 1, 5, 2) == Pair{30, 5});
  CHECK(bounded(12, 1, 106, 8.36) == Pair{1, 73});  // not six of all: every second epoch would be too seldom
  CHECK(bounded(60, 0, 100, 0.5) == Pair{0, 50});   // one validation at the end
  CHECK(bounded(60, 0, 100, 3) == Pair{0, 100});
  for (const double allowed : {0.08, 0.5, 1.0, 3.0, 7.0, 20.0})
    for (const std::int64_t cases : {9, 30, 500}) {
      Plan plan = plan_of(47, 1, cases);
      bound_validations(plan, allowed);
      const double share = validated_share(plan), used = share * static_cast<double>(validations(plan));
      CHECK((used <= allowed + 1e-9 || (validations(plan) == 1 && plan.config.validate_cases == 8)));
    }
}

TEST_CASE("the cases are spread over all, and the number of steps that a validation is worth follows its windows") {
  Plan plan = plan_of(60, 1, 100);
  set_validated(plan, 4);
  CHECK(plan.validated == std::vector<std::int64_t>{112, 137, 162, 187});
  set_validated(plan, 1000);
  CHECK(plan.validated == plan.val);
  data::DatasetInfo info;
  info.shapes = {{32, 32}, {64, 32}, {16, 32}};
  info.spacings = {{1, 1}, {1, 1}, {1, 1}};
  plan.model.window = {32, 32};
  plan.config.batch = 4;
  plan.validated = {0};
  CHECK(validation_in_steps(plan, info) == doctest::Approx(1.0 / 12));
  plan.validated = {0, 1, 2};  // 1 window, 3 windows, half a window
  CHECK(validation_in_steps(plan, info) == doctest::Approx(4.5 / 12));
}

TEST_CASE("a plan bounds its validations unless their cases are given, and a plan made of its settings is the same") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 120, {64, 64}));
  TrainConfig config;
  config.patch = "16";
  config.depth = 2;
  config.batch = 2;
  config.steps = 200;
  const Plan plan = make_plan(dataset, config);
  REQUIRE(plan.val.size() > 10);
  CHECK(plan.validated.size() == 8);  // 49 windows for each case: no step is worth so much
  const Plan again = make_plan(dataset, plan.config);
  CHECK(to_json(again.config) == to_json(plan.config));
  CHECK(again.validated == plan.validated);
  config.validate_cases = 1000;
  const Plan whole = make_plan(dataset, config);
  CHECK(whole.validated == whole.val);
  CHECK(whole.config.validate_every == 1);
  CHECK(contains(summary(plan, dataset.info(), 1), text("validated 8 of ", plan.val.size(), " cases, evenly spread,")));
  CHECK(contains(summary(whole, dataset.info(), 1), "after every epoch"));
}

TEST_CASE("a time that is too short for a validation of all cases is enough for one of a few") {
  Plan plan = plan_of(60, 1, 100);
  const Costs costs{.step = 0.05, .epoch = 0.01, .validation = 100, .test = 4, .clean_up = 120};
  fit_time(plan, costs, 60);
  CHECK(plan.config.validate_cases == 8);
  CHECK(validations(plan) == 1);
  CHECK(seconds_of(plan, costs) <= 60);
  CHECK(plan.steps > 450);  // 12 s are for the clean-up, 5 for the page
}

TEST_CASE("the pictures of a page take time without validation and test cases, too") {
  Plan plan = plan_of(60, 1, 0);
  plan.loader.cases.resize(50);
  const Costs costs{.step = 0.05, .pictures = 100};
  CHECK(page_seconds(plan, costs) >= 2.0 * 27);  // 24 cases, and three of them again
  fit_time(plan, costs, 120);
  CHECK(seconds_of(plan, costs) <= 120);
  CHECK(plan.steps <= 1300);
}

TEST_CASE("the page segments no test case again where there is no validation") {
  Plan plan = plan_of(60, 1, 0);
  for (std::int64_t i = 0; i < 20; ++i) plan.test.push_back(200 + i);
  const Costs costs{.step = 0.05, .test = 100};
  const double without = page_seconds(plan, Costs{.step = 0.05});
  CHECK(page_seconds(plan, costs) == doctest::Approx(without + 3 * 100.0 / 20));  // three pictures
}

TEST_CASE("a training looks at the cases that were planned") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 30, {32, 32}), run = folder.file("run");
  REQUIRE(program(small_training(data, run, {"--validate-cases", "2"})).code == 0);
  CHECK(Json::parse(bytes_of(run + "/run.json"))["config"]["validate_cases"] == 2);
  const std::string all = folder.file("all");
  REQUIRE(program(small_training(data, all, {"--validate-cases", "100"})).code == 0);
  CHECK(bytes_of(all + "/metrics.csv") != bytes_of(run + "/metrics.csv"));
  CHECK(program(small_training(data, folder.file("no"), {"--validate-cases", "-1"})).code == 2);
}

TEST_CASE("a training that goes by more validations than it has is refused") {
  Plan plan = plan_of(10, 2, 4);
  const auto refusal = [&](std::int64_t patience, const std::string& schedule) {
    plan.config.patience = patience;
    plan.config.schedule = schedule;
    return error_of([&] { require_validations(plan); });
  };
  CHECK(refusal(0, "cosine").empty());
  CHECK(refusal(3, "cosine").empty());  // after the fourth validation
  CHECK(contains(refusal(4, "cosine"),
                 "--patience 4: never takes effect: it needs 6 validations or more, the training has 5"));
  CHECK(refusal(0, "plateau").empty());  // it falls after the third at the earliest
  CHECK(plateau_patience(plan) == 1);
  CHECK(plateau_patience(plan_of(200, 2, 4)) == 10);
  CHECK(contains(refusal(9, "plateau"), "--patience 9: never"));
  plan.config.validate_every = 4;
  CHECK(contains(refusal(0, "plateau"), "it needs 4 validations or more, the training has 3"));
  plan.config.validate_every = 0;
  CHECK(contains(refusal(0, "plateau"),
                 "--schedule plateau: never takes effect: it needs 4 validations or more, the training has 1"));
  CHECK(refusal(0, "cosine").empty());
}

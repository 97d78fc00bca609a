// The plan for a time, where steps and predictions take what the test says and no clock is asked.
#include "apps/training/timed_plan.h"

#include "apps/training/preparation.h"
#include "apps/training/resolution.h"
#include "apps/training/validation.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// A machine on which a patch of a step, a voxel of a window and what else a case takes cost so many seconds.
struct Machine {
  double patch = 0.001, voxel = 0, image = 0;
  int measured = 0, known = 0;

  double predictions(const Plan& plan, const data::Dataset& dataset) const {
    return view_count(plan) * (voxel * voxels_at_end(plan, dataset.info(), 1) + image);
  }
  std::pair<Plan, Costs> plan(const data::Dataset& dataset, const TrainConfig& wish, const std::string& time = "1min") {
    CasesRead read;
    PlanTrials trials;
    trials.make = [&](const TrainConfig& config) { return make_plan(dataset, config, nullptr, 0, &read); };
    trials.measure = [&](const Plan& plan, double, double, const Costs* before) {
      Costs costs{.step = patch * static_cast<double>(plan.config.batch), .test = predictions(plan, dataset)};
      if (before) costs.test = before->test;
      measured += 1;
      known += before != nullptr;
      return costs;
    };
    trials.voxel_seconds = [&](const Plan&) { return voxel; };
    trials.left = [&] { return parse_time(time); };
    return plan_for_time(wish, time, dataset.info(), read, trials);
  }
};

TrainConfig small(const std::string& patch) {
  TrainConfig config;
  config.base = 4;
  config.depth = 2;
  config.patch = patch;
  return config;
}

std::string why(const Plan& plan, const std::string& setting) {
  for (const Reason& reason : plan.reasons)
    if (reason.setting == setting) return reason.why;
  return "";
}

}  // namespace

TEST_CASE("a step has fewer patches where few steps would fit, and what predictions take is measured once") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 40, {32, 32}));
  Machine fast;
  const Plan usual = fast.plan(dataset, small("32x32")).first;
  const std::int64_t batch = usual.config.batch;
  REQUIRE(batch >= 8);
  CHECK(usual.steps > 300);
  CHECK(why(usual, "batch").find("few steps would fit") == std::string::npos);
  CHECK(fast.measured == 1);

  Machine slow;
  slow.patch = 60.0 / (100 * static_cast<double>(batch));
  const std::pair<Plan, Costs> slowly = slow.plan(dataset, small("32x32"));
  const Plan& plan = slowly.first;
  CHECK(plan.config.batch == std::max<std::int64_t>(2, batch / 4));
  CHECK_MESSAGE(contains(why(plan, "batch"), "with more patches, few steps would fit 1min"), why(plan, "batch"));
  CHECK(slow.known == slow.measured - 1);
  CHECK(seconds_of(plan, slowly.second) <= 60);
  TrainConfig wish = small("32x32");
  wish.batch = batch;  // was asked for
  const Plan asked = slow.plan(dataset, wish).first;
  CHECK(asked.config.batch == batch);
  CHECK(asked.steps < 300);

  Machine slower;
  slower.patch = 60;
  CHECK(contains(error_of([&] { slower.plan(dataset, small("32x32")); }), "not one step fits"));
}

TEST_CASE("predictions are mirrored if the time allows it, and the plan says why they are not") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 40, {32, 32}));
  TrainConfig wish = small("32x32");
  wish.augment = "default";  // patches are flipped, so that the network knows mirrored images
  Machine machine;
  machine.image = 2;
  const Plan mirrored = machine.plan(dataset, wish).first;
  CHECK(mirrored.model.mirror);
  REQUIRE(view_count(mirrored) == 4);
  CHECK_MESSAGE(contains(why(mirrored, "tta"), "patches are flipped"), why(mirrored, "tta"));
  CHECK(machine.measured == 1);
  machine.image = 4;  // four views of it are 16 s
  const std::pair<Plan, Costs> seen_once = machine.plan(dataset, wish);
  const Plan& plan = seen_once.first;
  CHECK(!plan.model.mirror);
  CHECK(plan.config.tta == "off");
  CHECK(seen_once.second.test == 4);
  CHECK_MESSAGE(contains(why(plan, "tta"), "would take over a fifth of 1min"), why(plan, "tta"));
  wish.tta = "on";
  CHECK(machine.plan(dataset, wish).first.model.mirror);
}

TEST_CASE("patches stay as they are where the time shows each case a few times") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "nuclei2d", 240, {32, 32}));
  Machine machine;
  machine.patch = 0.05;  // 1,200 patches in a minute
  const Plan plain = machine.plan(dataset, small("32x32")).first;
  CHECK(plain.config.augment == "none");
  CHECK_MESSAGE(contains(why(plain, "augment"), "only, too seldom to learn it"), why(plain, "augment"));
  CHECK_MESSAGE(contains(why(plain, "tta"), "patches are not flipped"), why(plain, "tta"));
  CHECK(machine.plan(dataset, small("32x32"), "2h").first.config.augment != "none");
  CHECK(contains(machine.plan(dataset, small("16x32"), "2h").first.config.augment, "rotate_angle=15"));
}

TEST_CASE("images are coarser where windows take the time, and once more for what else a case takes") {
  const Folder folder;
  const data::Dataset dataset = data::Dataset::open(phantom_file(folder, "organ3d", 12, {20, 48, 48}));
  TrainConfig wish = small("16x16x16");
  wish.tta = "off";
  const double all = voxels_at_end(make_plan(dataset, wish), dataset.info(), 1);
  Machine machine;
  machine.voxel = 30 / all;  // half of the minute
  const Plan plan = machine.plan(dataset, wish).first;
  CHECK(plan.config.spacing != "none");
  CHECK_MESSAGE(contains(why(plan, "spacing"), "would take 50 % of 1min: images are made coarser"),
                why(plan, "spacing"));
  CHECK(voxels_at_end(plan, dataset.info(), 1) <= all / 2);
  CHECK(machine.measured == 1);

  Machine other;
  other.voxel = machine.voxel;
  other.image = 4;  // with the windows and the page more than a third of the minute, which only measuring shows
  const Plan coarser = other.plan(dataset, wish).first;
  CHECK(voxels_at_end(coarser, dataset.info(), 1) < voxels_at_end(plan, dataset.info(), 1));
  CHECK(other.measured == 1);  // what changes is known: the windows and the voxels of a step

  wish.spacing = "none";  // was asked for
  CHECK(machine.plan(dataset, wish, "2min").first.config.spacing == "none");
}

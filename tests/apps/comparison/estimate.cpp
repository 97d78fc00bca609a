// ctest labels: unsanitized
// How sure a difference of losses is: Student's t, standard errors by hand, and how often a verdict is wrong where
// there is no difference, through the whole analysis.
#include "apps/comparison/statistics/estimate.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "apps/comparison/analysis.h"
#include "apps/comparison/forecast.h"
#include "engine/random.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

bool close_to(double a, double b, double tolerance = 1e-12) {
  return std::fabs(a - b) <= tolerance * std::max(1.0, std::fabs(b));
}

// A world without any difference: units of a few correlated cases each, and trainings that shift all cases alike.
struct World {
  int losses = 4, seeds = 3, units = 18, cases_per_unit = 1;
  double units_sd = 0.05, cases_sd = 0.02, training_sd = 0.02, gain = 0;  // gain: of the first loss over the others
  bool groups = false;                                                    // whether the dataset names its units
  double uneven = 0;  // how much the losses differ in steadiness: the deviation of the logarithm of training_sd

  Comparison draw(Random& random) const {
    std::vector<ComparedRun> runs;
    std::vector<double> difficulty;
    for (int i = 0; i < units * cases_per_unit; ++i) difficulty.push_back(0.7 + 0.1 * random.normal());
    for (int loss = 0; loss < losses; ++loss) {
      std::vector<double> own;  // how a loss does on a unit, whatever the training
      for (int unit = 0; unit < units; ++unit) own.push_back(units_sd * random.normal() / std::sqrt(2.0));
      const double own_sd = training_sd * std::exp(uneven * random.normal());
      for (int seed = 1; seed <= seeds; ++seed) {
        const double shift = own_sd * random.normal();
        std::vector<double> dice;
        for (int i = 0; i < units * cases_per_unit; ++i) {
          const double value = difficulty[static_cast<std::size_t>(i)] + shift + (loss == 0 ? gain : 0) +
                               own[static_cast<std::size_t>(i / cases_per_unit)] + cases_sd * random.normal();
          dice.push_back(std::clamp(value, 0.001, 0.999));
        }
        runs.push_back(tested_run("d", "l" + std::to_string(loss), static_cast<std::uint64_t>(seed), dice));
      }
    }
    Comparison comparison = made_up(runs);
    comparison.protocol["baseline"] = "l1";
    if (groups)
      for (std::size_t i = 0; i < comparison.datasets[0].cases.size(); ++i)
        comparison.datasets[0].cases[i].group = std::to_string(i / static_cast<std::size_t>(cases_per_unit));
    return comparison;
  }
};

// How many worlds are drawn: VOXGRAD_TRIALS=2000 makes the bounds narrow, and takes minutes.
int trials() {
  const char* const wish = std::getenv("VOXGRAD_TRIALS");
  return wish != nullptr ? std::atoi(wish) : 200;
}

// The share of worlds in which any loss is called better or worse than the best or the baseline.
double false_verdicts(const World& world, int trials, Random& random) {
  int wrong = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const Analysis analysis = analyse(world.draw(random)).front();
    bool any = false;
    for (const LossStatistics& loss : analysis.losses)
      for (const Verdict verdict : {loss.to_best.verdict, loss.to_baseline.verdict})
        any = any || verdict == Verdict::larger || verdict == Verdict::smaller;
    wrong += any ? 1 : 0;
  }
  return static_cast<double>(wrong) / trials;
}

}  // namespace

TEST_CASE("Student's t: golden values, and the inverse") {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/statistics.txt");
  int found = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    double t = 0, freedom = 0, tail = 0;
    if (!(words >> word >> t >> freedom >> tail) || word != "student") continue;
    ++found;
    CHECK(std::fabs(student_tail(t, freedom) / tail - 1) < 1e-9);
    CHECK(close_to(student_point(tail, freedom), t, 1e-8));
  }
  CHECK(found == 10);
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(close_to(student_point(0.025, infinite), 1.959963984540054));
  CHECK(close_to(student_point(0.5, 4), 0));
}

TEST_CASE("a standard error has the spread of the units and that of the trainings") {
  // Units: mean 2, variance 1, n 3.
  const Estimate estimate({1, 2, 3}, 0.8, 4);
  CHECK(estimate.value() == 2);
  const double units = 1.0 / 3;
  CHECK(close_to(estimate.error() * estimate.error(), units + 0.8));
  CHECK(close_to(estimate.freedom(), std::pow(units + 0.8, 2) / (units * units / 2 + 0.8 * 0.8 / 4)));
  const Interval interval = estimate.interval(0.95);
  CHECK(close_to(interval.high - 2, estimate.error() * student_point(0.025, estimate.freedom())));
  CHECK(close_to(interval.low + interval.high, 4));
  CHECK(close_to(estimate.p(), 2 * student_tail(2 / estimate.error(), estimate.freedom())));

  const Estimate steady({0.001, -0.001, 0.002, -0.002, 0});
  CHECK(steady.p() == 1);
  CHECK(steady.p_outside(0.01) < 0.001);
  CHECK(steady.p_outside(0.001) > 0.05);
  CHECK(Estimate({0.5, 0.5}).p() == 0);  // nothing varies
  CHECK(Estimate({0, 0}).p() == 1);
  CHECK(Estimate({0.5}).p() == 1);  // a single unit says nothing
  CHECK(std::isnan(Estimate({0.5}).interval(0.95).low));

  const Estimate both = Estimate::mean({estimate, Estimate({5, 7})});
  CHECK(both.value() == 4);
  CHECK(close_to(both.error() * both.error(), (units + 0.8 + 1) / 4));
}

TEST_CASE("the variances between trainings borrow from those of all losses") {
  CHECK(close_to(digamma(0.5), -1.9635100260214235));
  CHECK(close_to(digamma(10), 2.251752589066721));
  CHECK(close_to(trigamma(0.5), 4.934802200544679));
  CHECK(close_to(trigamma(10), 0.10516633568168575));
  for (const double x : {0.01, 0.5, 3.0, 200.0}) CHECK(close_to(trigamma_inverse(trigamma(x)), x, 1e-9));

  // One loss alone has its own variance: 2 / 2, with one degree of freedom.
  const TrainingVariances alone = training_variances({{1, 3}});
  CHECK(close_to(alone.of_mean[0], 1));
  CHECK(alone.freedom == 1);
  // Variances that differ less than chance makes them differ become the same one, with the freedom of all; but none
  // becomes smaller.
  const TrainingVariances alike = training_variances({{0, 1, 2}, {0, 1.1, 2}, {0, 0.9, 2.1}, {1, 2, 3}});
  for (const std::size_t k : {0, 1, 3}) CHECK(alike.of_mean[k] == alike.of_mean[0]);
  CHECK(close_to(alike.of_mean[2], 1.11 / 3));
  CHECK(close_to(alike.of_mean[0], (1 + 1 + 1.115 + 1) / 4 / 3, 2e-2));
  CHECK(alike.freedom == 8);
  // A loss that is a thousand times less steady keeps a larger one, and the others smaller ones.
  const TrainingVariances mixed = training_variances({{0, 0.01}, {0, 0.02}, {0.01, 0}, {0, 0.015}, {0, 10}});
  CHECK(mixed.of_mean[4] > 1000 * mixed.of_mean[0]);
  CHECK(mixed.of_mean[0] > 0.5 * 0.01 * 0.01 / 2);
  CHECK(mixed.freedom < 3);
  // Once trained, or trained to the same number: nothing is known.
  CHECK(training_variances({{1}, {2}}).of_mean == std::vector<double>{0, 0});
  CHECK(training_variances({{1, 1}, {2, 2}}).of_mean == std::vector<double>{0, 0});
}

TEST_CASE("without a difference, verdicts are wrong at most as often as they say") {
  struct Setting {
    std::string name;
    World world;
  };
  const Setting settings[]{
      {"four losses, 18 units", {}},
      {"two seeds", {.seeds = 2}},
      {"one loss, six seeds, named as three losses of two", {.losses = 3, .seeds = 2, .units_sd = 0}},
      {"ten losses, unsteady trainings", {.losses = 10, .training_sd = 0.03}},
      {"32 losses, two seeds", {.losses = 32, .seeds = 2}},
      {"four losses, some of them unsteady", {.uneven = 0.8}},
      {"ten losses, two seeds, some of them unsteady", {.losses = 10, .seeds = 2, .training_sd = 0.01, .uneven = 0.8}},
      {"ten units", {.units = 10}},
      {"sixty units, five seeds", {.seeds = 5, .units = 60}},
      {"trainings without any spread", {.training_sd = 0}},
      {"cases without any spread of their own", {.units_sd = 0, .cases_sd = 0}},
      {"six slices of each patient", {.units = 12, .cases_per_unit = 6, .groups = true}},
      {"thirty slices of each of 20 patients", {.units = 20, .cases_per_unit = 30, .groups = true}},
  };
  Random random(21);
  for (const Setting& setting : settings) {
    const int tried = setting.world.losses > 10 ? trials() / 4 : trials();
    const double wrong = false_verdicts(setting.world, tried, random);
    MESSAGE(setting.name << ": " << wrong << " of " << tried);
    CHECK_MESSAGE(wrong < 0.05 + 3 * std::sqrt(0.05 * 0.95 / tried), setting.name, ": ", wrong);
  }
  // Slices that count as patients: this is the fault that the groups mend.
  CHECK(false_verdicts({.units = 12, .cases_per_unit = 6, .training_sd = 0}, trials(), random) > 0.3);
  // Fewer units give no verdict at all.
  CHECK(false_verdicts({.units = 5}, 20, random) == 0);
}

TEST_CASE("a difference is found where there is one, and one training finds none") {
  Random random(22);
  World world;
  world.gain = 0.15;
  int found = 0;
  for (int trial = 0; trial < 50; ++trial) {
    const Analysis analysis = analyse(world.draw(random)).front();
    found += analysis.losses.front().to_baseline.verdict == Verdict::larger && analysis.losses.front().wins == 3;
    CHECK(analysis.why_open.empty());
  }
  CHECK(found >= 40);
  world.seeds = 1;
  const Analysis once = analyse(world.draw(random)).front();
  CHECK(contains(once.why_open, "trained with one seed"));
  CHECK(once.losses.front().to_baseline.verdict == Verdict::open);
  CHECK(std::isnan(once.losses.front().to_baseline.p_holm));
  CHECK(std::isnan(once.losses.front().ranks.low));
  world.seeds = 3;
  world.units = 9;
  const Analysis few = analyse(world.draw(random)).front();
  CHECK(contains(few.why_open, "9 independent cases"));
  CHECK(few.losses.front().wins == 0);
}

TEST_CASE("the smallest difference that a plan promises to find is found in four of five comparisons") {
  Random random(24);
  constexpr int kTrials = 300;
  World world;
  world.losses = 2;
  world.cases_sd = 0;
  for (const auto& [seeds, units] : {std::pair{3, 18}, {6, 30}}) {
    world.seeds = seeds;
    world.units = units;
    // units_sd is that of a difference of two losses.
    world.gain = detectable_difference({world.units_sd, world.training_sd, true}, units, seeds, 2);
    int found = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      const Analysis analysis = analyse(world.draw(random)).front();
      found += analysis.losses.front().loss == "l0" && analysis.losses.front().to_baseline.verdict == Verdict::larger;
    }
    CHECK_MESSAGE(std::abs(found - 0.8 * kTrials) < 0.08 * kTrials, found);
  }
  world.losses = 6;  // what was measured is what the tests take, even with two seeds
  world.seeds = 2;
  double trainings = 0;
  for (int trial = 0; trial < 40; ++trial) {
    Scores scores = scores_of(world.draw(random)).front();
    const Spread spread = measured_spread(scores).value();
    trainings += spread.trainings / 40;
    std::reverse(scores.values.begin(), scores.values.end());
    std::reverse(scores.seeds.begin(), scores.seeds.end());
    CHECK(std::abs(measured_spread(scores).value().units - spread.units) < 1e-12);
  }
  CHECK_MESSAGE(std::abs(trainings - world.training_sd) < 0.2 * world.training_sd, trainings);
  CHECK(std::isinf(detectable_difference({0.05, 0.02, true}, 18, 1, 2)));
  CHECK(std::isinf(detectable_difference({0.05, 0.02, true}, 9, 3, 2)));
  CHECK(detectable_difference({0.05, 0.02, true}, 18, 3, 10) > detectable_difference({0.05, 0.02, true}, 18, 3, 2));
}

TEST_CASE("intervals hold the true difference and the true mean as often as they say") {
  constexpr double kGain = 0.03, kMean = 0.7;
  const World worlds[]{{.losses = 2, .gain = kGain},
                       {.losses = 2, .seeds = 5, .units = 40, .gain = kGain},
                       {.losses = 2, .units = 20, .cases_per_unit = 6, .gain = kGain, .groups = true}};
  Random random(23);
  const auto holds = [](const Interval& interval, double value) {
    return interval.low <= value && value <= interval.high ? 1 : 0;
  };
  const int tried = 2 * trials();
  for (const World& world : worlds) {
    int differences = 0, means = 0;
    for (int trial = 0; trial < tried; ++trial) {
      const Analysis analysis = analyse(world.draw(random)).front();
      for (const LossStatistics& loss : analysis.losses) {
        if (loss.loss == "l0") differences += holds(loss.to_baseline.interval, kGain);
        if (loss.loss == "l1") means += holds(loss.interval, kMean);
      }
    }
    const double slack = 3 * std::sqrt(0.05 * 0.95 / tried);
    for (const int covered : {differences, means}) {
      const double share = static_cast<double>(covered) / tried;
      MESSAGE("coverage " << share << " of " << tried);
      CHECK_MESSAGE(share > 0.95 - slack, share);
      CHECK_MESSAGE(share < 0.975 + slack, share);
    }
  }
}

TEST_CASE("the verdict has the sign of the difference that is reported, whatever the typical case does") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::vector<double> steady(60, 0.7), rescuing(60, 0.696);
    for (std::size_t i = 52; i < 60; ++i) steady[i] = 0.2;
    for (double& value : steady) value += 1e-4 * static_cast<double>(seed);
    runs.push_back(tested_run("d", "steady", seed, steady));
    runs.push_back(tested_run("d", "rescuing", seed, rescuing));
  }
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = "steady";
  const Analysis analysis = analyse(comparison).front();
  const Contrast& contrast = analysis.losses.front().to_baseline;
  CHECK(analysis.losses.front().loss == "rescuing");
  CHECK(contrast.difference > 0.05);
  CHECK(contrast.rank_biserial < 0);
  CHECK(contrast.verdict == Verdict::larger);
  CHECK(contrast.hodges_lehmann < 0);  // which the words point out
}

#include "apps/training/budget.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "apps/program/console.h"
#include "apps/training/evaluation.h"
#include "apps/training/preparation.h"
#include "apps/training/trainer.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr int kLeastMeasured = 3;         // steps
constexpr int kWarmSteps = 4;             // memory is allocated in the first ones, and a card records its graph
constexpr double kValidationShare = 0.1;  // of the time, at most
constexpr double kReport = 1;             // seconds: the page and the pictures at the end

template <class F>
double time_of(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Returns the seconds that all of these cases take, by those of the one in the middle. The network sees resampled
// voxels.
double evaluation_time(Trainer& trainer, const nn::ModelSpec& model, const data::Dataset& dataset,
                       const std::vector<std::int64_t>& cases, losses::Needs needs) {
  if (cases.empty()) return 0;
  const auto voxels_of = [&](std::int64_t index) { return resampled_voxels(model, dataset.info(), index); };
  double voxels = 0;
  for (const std::int64_t index : cases) voxels += voxels_of(index);
  const std::int64_t middle = nth(cases, std::ssize(cases) / 2);
  const auto one = [&] { evaluate_cases(trainer.evaluated(), dataset, {middle}, {.needs = needs}); };
  one();  // the first one allocates
  const double seconds = time_of(one);
  trainer.end_validation(std::nan(""));
  return seconds * voxels / voxels_of(middle);
}

std::int64_t validations(const Plan& plan) {
  const std::int64_t every = plan.config.validate_every, epochs = plan.epoch_of(plan.steps);
  return every == 0 ? 1 : (epochs + every - 1) / every;
}

}  // namespace

Costs measure_costs(const data::Dataset& dataset, const Plan& plan, Device device, double measured,
                    const std::function<void()>& progress) {
  if (plan.fields)
    plan.fields->prepare(dataset, plan.loader.cases, plan.loader.patch, plan.loader.prepare, progress,
                         [](const std::string&) {});
  Trainer trainer(dataset, plan, device);
  const auto step = [&] {
    trainer.step();
    progress();
  };
  for (int i = 0; i < kWarmSteps; ++i) step();
  Costs costs;
  double steps = 0;
  for (double seconds = 0; steps < kLeastMeasured || seconds < measured; ++steps) {
    seconds += time_of(step);
    costs.step = seconds / (steps + 1);
  }
  costs.epoch = time_of([&] {
    trainer.require_finite();
    trainer.weights();
    trainer.state();
  });
  costs.validation = evaluation_time(trainer, plan.model, dataset, plan.val, losses::Needs::counts);
  costs.test = evaluation_time(trainer, plan.model, dataset, plan.test, losses::Needs::probabilities);
  return costs;
}

double seconds_of(const Plan& plan, const Costs& costs) {
  return costs.step * static_cast<double>(plan.steps) + costs.epoch * static_cast<double>(plan.epoch_of(plan.steps)) +
         costs.validation * static_cast<double>(validations(plan)) + costs.test + kReport;
}

void fit_time(Plan& plan, const Costs& costs, double seconds) {
  const auto steps_in = [&](double left) {
    const double epoch = costs.epoch / static_cast<double>(plan.steps_per_epoch);
    return static_cast<std::int64_t>(left / (costs.step + epoch));
  };
  const double left = seconds - costs.test - kReport;
  const std::int64_t most = steps_in(left - costs.validation);  // with one validation
  if (most < 1)
    throw Error(ErrorKind::usage,
                text("--time: ", fixed(seconds, 1), " s are left after the preparation, a step takes ",
                     fixed(costs.step, 2), " s, the validation ", fixed(costs.validation, 1), " s and the test ",
                     fixed(costs.test + kReport, 1), " s: not one step fits"),
                "give more --time");
  const double allowed = std::max(1.0, kValidationShare * left / std::max(costs.validation, 1e-9));
  std::int64_t& every = plan.config.validate_every;
  if (every > 0)
    every = std::max(every, static_cast<std::int64_t>(std::ceil(static_cast<double>(plan.epoch_of(most)) / allowed)));
  std::int64_t fits = 1, beyond = most + 1;
  while (fits + 1 < beyond) {
    const std::int64_t middle = fits + (beyond - fits) / 2;
    set_steps(plan, middle);
    (seconds_of(plan, costs) <= seconds ? fits : beyond) = middle;
  }
  set_steps(plan, fits);
}

double parse_time(const std::string& text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  double seconds = 0;
  while (at < end) {
    double value = 0;
    const auto [next, code] = std::from_chars(at, end, value);
    const std::string_view rest(next, static_cast<std::size_t>(end - next));
    const double unit = rest.starts_with("h") ? 3600 : rest.starts_with("min") ? 60 : rest.starts_with("s") ? 1 : 0;
    if (code != std::errc{} || unit == 0 || !(value >= 0) || !std::isfinite(value)) {
      seconds = 0;
      break;
    }
    seconds += value * unit;
    at = next + (unit == 60 ? 3 : 1);
  }
  if (!(seconds > 0) || seconds > 3600.0 * 24 * 365)
    throw Error(ErrorKind::usage, "--time " + text + ": no time", "write 90s, 20min, 2h or 1h30min");
  return seconds;
}

}  // namespace voxgrad::apps

#include "apps/comparison/forecast.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "apps/comparison/analysis.h"
#include "apps/comparison/processes.h"
#include "apps/comparison/statistics/paired.h"
#include "apps/program/console.h"
#include "apps/training/budget.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/io/uninterrupted.h"
#include "engine/parallel.h"

namespace voxgrad::apps {
namespace {

constexpr Spread kTypical{0.04, 0.015, false};  // of data/bundled/lesions2d.h5; vessels and nuclei have half of it
constexpr std::int64_t kShownSeeds[]{2, 3, 5, 10};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

// What the results in a directory say of a dataset; typical values if there are none.
Spread spread_of(const std::string& directory, const std::string& dataset) {
  if (directory.empty() || !std::filesystem::exists(directory + "/results.json")) return kTypical;
  for (const Scores& scores : scores_of(read_comparison(directory)))
    if (scores.dataset == dataset) return measured_spread(scores).value_or(kTypical);
  return kTypical;
}

std::string detectable_text(double difference) { return std::isinf(difference) ? "nothing" : fixed(difference, 3); }

}  // namespace

std::optional<Spread> measured_spread(const Scores& scores) {
  std::vector<double> units, trainings;
  const TrainingVariances between = training_variances(scores.seeds);  // as the tests take them
  for (std::size_t k = 0; k < scores.losses.size(); ++k) {
    trainings.push_back(std::sqrt(between.of_mean[k] * static_cast<double>(scores.seeds[k].size())));
    for (std::size_t other = 0; other < k; ++other)
      units.push_back(losses::summarise(paired_differences(scores.values[k], scores.values[other])).deviation);
  }
  if (units.empty()) return std::nullopt;
  const Spread found{median(units), median(trainings), true};
  if (!(found.units > 0 && found.trainings > 0)) return std::nullopt;
  return found;
}

double detectable_difference(const Spread& spread, std::int64_t units, std::int64_t trainings, std::int64_t losses) {
  if (trainings < 2 || units < kLeastUnits || losses < 2) return std::numeric_limits<double>::infinity();
  const auto n = static_cast<double>(units), seeds = static_cast<double>(trainings), k = static_cast<double>(losses);
  // A loss whose trainings vary more than those of the others keeps its own variance (training_variances): the mean of
  // the larger of the two is above the true variance, by this factor.
  const double half = (seeds - 1) / 2;
  const double larger = 1 + std::pow(half, half) * std::exp(-half) / std::tgamma(half + 1) * std::sqrt(1 - 1 / k);
  const double of_units = spread.units * spread.units / n;
  const double of_both = larger * 2 * spread.trainings * spread.trainings / seeds;
  const double freedom =
      std::pow(of_units + of_both, 2) / (of_units * of_units / (n - 1) + of_both * of_both / (k * (seeds - 1)));
  const double level = kLevel / (k * (k - 1) / 2);
  return std::sqrt(of_units + of_both) * (student_point(level / 2, freedom) + student_point(0.2, freedom));
}

Forecast forecast(const CompareOptions& options, Device device, const std::function<void()>& progress) {
  const Protocol protocol(options);
  Forecast result;
  result.losses = std::ssize(options.losses);
  result.seeds = options.seeds;
  result.folds = options.folds;
  const int all = threads();
  set_threads(std::max(1, all / options.jobs));
  for (const ComparedDataset& known : protocol.question().datasets) {
    const auto task = std::find_if(protocol.tasks().begin(), protocol.tasks().end(),
                                   [&](const Task& one) { return protocol.dataset_name(one) == known.name; });
    if (task == protocol.tasks().end()) continue;  // of another shard
    const Plan plan = protocol.plan(*task);
    Forecast::Dataset& one = result.datasets.emplace_back();
    one.name = known.name;
    one.train = std::ssize(plan.loader.cases);
    one.val = std::ssize(plan.val);
    one.test = std::ssize(known.cases);
    std::set<std::string> units;
    for (const TestCase& tested : known.cases) {
      one.grouped = one.grouped || !tested.group.empty();
      if (tested.foreground > 0) units.insert(tested.group.empty() ? "case " + tested.id : "group " + tested.group);
    }
    one.units = std::ssize(units);
    one.steps = plan.steps;
    one.batch = plan.config.batch;
    one.patches_per_case = static_cast<double>(plan.steps * plan.config.batch) / static_cast<double>(one.train);
    one.trainings = std::count_if(protocol.tasks().begin(), protocol.tasks().end(),
                                  [&](const Task& other) { return other.dataset == task->dataset; });
    std::set<std::pair<std::string, int>> tuned;  // losses and folds; two of the three trials of each are no run
    for (const Task& other : protocol.tasks())
      if (options.tune && other.dataset == task->dataset) tuned.emplace(other.loss, other.fold);
    one.trainings += 2 * std::ssize(tuned);
    const Costs costs = measure_costs(protocol.dataset(*task), plan, device, 0.5, 0, progress);
    one.seconds_each = seconds_of(plan, costs);
    result.memory_each = std::max(result.memory_each, costs.memory);
    one.spread = spread_of(options.out, known.name);
    one.detectable = detectable_difference(one.spread, one.units, options.seeds, result.losses);
    const std::int64_t jobs = std::min<std::int64_t>(options.jobs, one.trainings);
    result.seconds += one.seconds_each * static_cast<double>((one.trainings + jobs - 1) / jobs);
  }
  set_threads(all);
  result.memory = result.memory_each * std::clamp<std::int64_t>(std::ssize(protocol.tasks()), 1, options.jobs);
  return result;
}

namespace {

// Measured in a process of its own, so that this one stays small; nothing if that failed.
std::optional<std::int64_t> measured_elsewhere(const CompareOptions& options, Device device) {
  std::array<int, 2> ends{};  // of a pipe: read, write
  if (::pipe(ends.data()) != 0) throw Error(ErrorKind::io, "--max-memory: no pipe to the process that measures");
  Processes measuring(1, [&](int) {
    const std::int64_t bytes = forecast(options, device, [] {}).memory_each;
    if (uninterrupted([&] { return ::write(ends[1], &bytes, sizeof bytes); }) != sizeof bytes)
      throw Error(ErrorKind::io, "pipe");
  });
  ::close(ends[1]);
  measuring.wait();
  std::int64_t bytes = 0;
  const bool measured = uninterrupted([&] { return ::read(ends[0], &bytes, sizeof bytes); }) == sizeof bytes;
  ::close(ends[0]);
  return measured ? std::optional(bytes) : std::nullopt;
}

}  // namespace

int jobs_within(const CompareOptions& options, Device device, std::int64_t limit) {
  // A process that was forked cannot use a card that this one has used already.
  const std::optional<std::int64_t> measured =
      device == Device::cpu ? measured_elsewhere(options, device) : forecast(options, device, [] {}).memory_each;
  if (!measured) {
    const Protocol throws_what_is_wrong(options);
    throw Error(ErrorKind::memory, "--max-memory: a few steps of a training could not be measured",
                "`compare --dry-run` without --max-memory says why");
  }
  const std::int64_t bytes = *measured;
  if (bytes > limit)
    throw Error(
        ErrorKind::usage, text("--max-memory ", size_text(limit), ": a training takes ", size_text(bytes)),
        "give more, or a smaller --batch or --patch: `voxgrad train FILE --max-memory .. --dry-run` finds them");
  return static_cast<int>(std::min<std::int64_t>(options.jobs, limit / std::max<std::int64_t>(bytes, 1)));
}

Json to_json(const Forecast& forecast) {
  Json datasets = Json::array();
  for (const Forecast::Dataset& one : forecast.datasets)
    datasets.push_back({{"name", one.name},
                        {"cases", {{"train", one.train}, {"val", one.val}, {"test", one.test}}},
                        {"units", one.units},
                        {"units_are_groups", one.grouped},
                        {"steps", one.steps},
                        {"batch", one.batch},
                        {"patches_per_case", number(one.patches_per_case)},
                        {"trainings", one.trainings},
                        {"seconds_each", number(one.seconds_each)},
                        {"sd_units", number(one.spread.units)},
                        {"sd_trainings", number(one.spread.trainings)},
                        {"sd_measured", one.spread.measured},
                        {"detectable_difference", number(one.detectable)}});
  return {{"datasets", datasets},
          {"losses", forecast.losses},
          {"seeds", forecast.seeds},
          {"seconds", number(forecast.seconds)},
          {"peak_memory_bytes", forecast.memory}};
}

std::string forecast_text(const Forecast& forecast) {
  if (forecast.datasets.empty()) return "no trainings: this shard has none\n";
  Table plan({"dataset", "train", "val", "test", "units", "steps", "batch", "patches per case", "trainings", "each"},
             1);
  std::vector<std::string> header{"dataset"};
  for (const std::int64_t seeds : kShownSeeds) header.push_back(text(seeds, " seeds"));
  header.push_back("SD units");
  header.push_back("SD trainings");
  Table power(header, 1);
  std::size_t measured = 0;
  for (const Forecast::Dataset& one : forecast.datasets) {
    plan.row({one.name, text(one.train), text(one.val), text(one.test), text(one.units, one.grouped ? " groups" : ""),
              text(one.steps), text(one.batch), fixed(one.patches_per_case, 1), text(one.trainings),
              duration(one.seconds_each)});
    std::vector<std::string> row{one.name};
    for (const std::int64_t seeds : kShownSeeds)
      row.push_back(detectable_text(detectable_difference(one.spread, one.units, seeds, forecast.losses)));
    row.push_back(fixed(one.spread.units, 3));
    row.push_back(fixed(one.spread.trainings, 3));
    power.row(row);
    measured += one.spread.measured ? 1 : 0;
  }
  return text(plan.str(), "time      ", duration(forecast.seconds), " for all trainings, as the first loss needs it\n",
              "memory    ", size_text(forecast.memory), "\n\n",
              "Difference of mean Dice that is found in four of five comparisons, by the number of seeds (",
              forecast.losses, " losses, Holm over all pairs; ",
              measured == forecast.datasets.size() ? "the spreads are those of the results in this directory"
              : measured > 0 ? "some spreads are those of the results in this directory, the others typical ones"
                             : "the spreads are typical ones, and are measured when the comparison is made",
              "):\n", power.str(), "With one seed, or with fewer than ", kLeastUnits, " units, nothing is found",
              forecast.folds > 0 ? "" : "; --folds tests every case", ".\n");
}

}  // namespace voxgrad::apps

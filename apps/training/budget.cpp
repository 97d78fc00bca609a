#include "apps/training/budget.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "apps/program/console.h"
#include "apps/training/checkpoint.h"
#include "apps/training/clean_up_choice.h"
#include "apps/training/evaluation.h"
#include "apps/training/preparation.h"
#include "apps/training/trainer.h"
#include "apps/training/validation.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"

namespace voxgrad::apps {
namespace {

constexpr int kLeastMeasured = 3;       // steps
constexpr int kWarmSteps = 4;           // memory is allocated in the first ones, and a card records its graph
constexpr double kPage = 1;             // seconds: the page and the pictures at the end, beside the predictions for it
constexpr std::size_t kCasesTimed = 4;  // that are read before the steps are timed
constexpr double kLeastKept = 0.1;      // share of the cases in memory from which on their steps are timed, too
constexpr std::int64_t kOthersTimed = 8;  // cases whose prediction is timed beside the middle one, while there is time
constexpr int kMostFailed = 20;           // steps in a row that are left out, as --on-nan allows
// What no measured step has: the files of the run, the page and its pictures. Ten trainings of 30 to 180 MiB had 1 to
// 13 MiB more than was planned without it (tests/benchmarks/memory.py).
constexpr std::int64_t kBytesOfFiles = std::int64_t{10} << 20;

// The bytes of the prepared cases that a whole training keeps beside those that it keeps after a few steps.
std::int64_t bytes_to_come(const Plan& plan, const data::Loader::Kept& kept) {
  if (kept.cases == 0) return 0;
  const std::int64_t cases = std::min(std::ssize(plan.loader.cases), plan.steps * plan.config.batch);
  const double all = static_cast<double>(kept.bytes) / static_cast<double>(kept.cases) * static_cast<double>(cases),
               most = static_cast<double>(plan.loader.cache_bytes);
  return std::max<std::int64_t>(0, std::llround(std::min(all, most)) - static_cast<std::int64_t>(kept.bytes));
}

// The bytes of all prepared training cases, by their extents: f32 images, u8 labels, f32 probabilities and maps.
double cached_bytes(const Plan& plan, const data::DatasetInfo& info) {
  double voxels = 0;
  for (const std::int64_t index : plan.loader.cases)
    voxels += static_cast<double>(resampled_extents(plan.model, info, index).numel());
  const std::int64_t maps = (plan.loader.probabilities ? 1 : 0) + (plan.fields ? std::ssize(plan.fields->keys()) : 0);
  return voxels * static_cast<double>(4 * (info.channels + maps * plan.model.net.classes) + 1);
}

template <class F>
double time_of(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct StepTimes {
  double median, mean;
};

// Does steps for `measured` seconds, at least three, after the first ones, which allocate.
StepTimes time_steps(Trainer& trainer, OnNan on_nan, double measured, const std::function<void()>& progress) {
  int failed = 0;
  const auto step = [&] {
    try {
      trainer.step();
      failed = 0;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged || on_nan == OnNan::stop || ++failed > kMostFailed) throw;
      trainer.skip();
    }
    progress();
  };
  for (int i = 0; i < kWarmSteps; ++i) step();
  trainer.require_finite();  // allocates as well, and is timed after the steps
  std::vector<double> steps;
  double sum = 0;
  while (std::ssize(steps) < kLeastMeasured || sum < measured) sum += steps.emplace_back(time_of(step));
  const auto middle = steps.begin() + std::ssize(steps) / 2;
  std::nth_element(steps.begin(), middle, steps.end());
  return {*middle, sum / static_cast<double>(steps.size())};
}

struct Enough {
  double seconds;  // that the whole prediction takes
};

// Returns the seconds that evaluate(cases, progress) takes with all of these cases, by those of one.
template <class F>
double evaluation_time(const nn::ModelSpec& model, const data::Dataset& dataset, const std::vector<std::int64_t>& cases,
                       double limit, const std::function<void()>& progress, F&& evaluate) {
  if (cases.empty()) return 0;
  const auto voxels_of = [&](std::int64_t index) { return window_voxels(model, dataset.info(), {index}); };
  const auto smaller = [&](std::int64_t a, std::int64_t b) { return voxels_of(a) < voxels_of(b); };
  std::int64_t chosen =
      limit > 0 ? nth(cases, std::ssize(cases) / 2) : *std::max_element(cases.begin(), cases.end(), smaller);
  const auto one = [&] {
    double begun = 0, first = 0;  // when the first window was done, and the share that it is
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    try {
      evaluate(std::vector{chosen}, [&](double done) {
        progress();
        const double now = seconds();
        if (first == 0) {  // what was done until then is done once
          begun = now;
          first = done;
        } else if (limit > 0 && done < 1 && now - begun > limit) {
          throw Enough{begun + (now - begun) * (1 - first) / (done - first)};
        }
      });
    } catch (const Enough& estimate) {
      return estimate.seconds;
    }
    return seconds();
  };
  double seconds = one();
  if (limit == 0 || seconds < limit / 2) seconds = one();  // the first one has allocated
  double voxels = voxels_of(chosen);
  // Cases differ, and a single one of some milliseconds says little about hundreds.
  if (limit > 0)
    for (std::int64_t i = 0; i < kOthersTimed && seconds < limit / 2; ++i) {
      chosen = nth(cases, i * std::ssize(cases) / kOthersTimed);
      seconds += one();
      voxels += voxels_of(chosen);
    }
  return seconds * window_voxels(model, dataset.info(), cases) / voxels;
}

// Fills in what predictions with these weights take.
void measure_predictions(const data::Dataset& dataset, const Plan& plan, Device device,
                         const std::vector<NamedTensor>& weights, double limit, const std::function<void()>& progress,
                         Costs& costs) {
  const nn::Model model = fresh_model(plan, device);
  model.net->load_state(weights);
  model.net->train(false);
  using Cases = std::vector<std::int64_t>;
  const auto time = [&](const Cases& cases, const auto& evaluate) {
    return evaluation_time(plan.model, dataset, cases, limit, progress, evaluate);
  };
  const auto evaluate = [&](const Cases& cases, const nn::Progress& of_windows, EvaluateOptions how) {
    how.progress = of_windows;
    evaluate_cases(model, dataset, cases, how);
  };
  costs.validation =
      time(plan.val, [&](const Cases& cases, const nn::Progress& p) { evaluate(cases, p, {.mirror = false}); });
  costs.test = time(plan.test, [&](const Cases& cases, const nn::Progress& p) {
    evaluate(cases, p, {losses::Needs::probabilities});
  });
  if (plan.chooses_clean_up())
    costs.clean_up =
        time(plan.val, [&](const Cases& cases, const nn::Progress& p) { choose_clean_up(model, dataset, cases, p); });
  if (plan.test.empty() && !plan.chooses_clean_up())
    costs.pictures = time(pictured_cases(plan), [&](const Cases& cases, const nn::Progress& p) {
      evaluate(cases, p, {losses::Needs::probabilities});
    });
}

// What the page of a run takes, which segments some cases, unless the clean-up or the test has done so; three again.
double page_seconds(const Plan& plan, const Costs& costs, double share) {
  const auto all = static_cast<double>(pictured_cases(plan).size());
  const double each = costs.clean_up > 0   ? costs.clean_up / static_cast<double>(plan.val.size())
                      : !plan.test.empty() ? costs.test / static_cast<double>(plan.test.size())
                      : all > 0            ? costs.pictures / all
                                           : 0;
  const double looked_at = std::min(plan.val.empty() ? all : share * all, static_cast<double>(kMostPictured));
  return kPage + each * ((plan.page_is_known() ? 0 : looked_at) + std::min(all, 3.0));
}

// The most checkpoints that a training writes whose epochs take `seconds` without the validations: before the first
// step, with every validation, as each may find the best weights so far, and between two of them if they are further
// apart than checkpoints. A rollback needs one of every epoch.
double checkpoints(const Plan& plan, double seconds) {
  const auto epochs = static_cast<double>(plan.epoch_of(plan.steps));
  if (plan.on_nan == OnNan::rollback) return 1 + epochs;
  const double validated = plan.val.empty() ? 1 : static_cast<double>(validations(plan));
  const double each = std::max(1.0, std::ceil(seconds / (kSecondsBetweenCheckpoints * validated)));
  return 1 + std::min(epochs, validated * each);
}

// Writes a checkpoint and the best weights to a file that does not stay.
void write_checkpoint(const std::string& folder, const std::vector<NamedTensor>& weights, const TensorFile& state) {
  const std::string path = text(folder, "/.voxgrad-", ::getpid(), ".safetensors");
  std::error_code ignored;
  try {
    save_tensors(path, state);
    save_tensors(path, {weights, {}});
  } catch (const Error& error) {
    std::filesystem::remove(path, ignored);
    if (error.kind() != ErrorKind::io) throw;  // the training says it
  }
  std::filesystem::remove(path, ignored);
}

}  // namespace

Costs measure_costs(const data::Dataset& dataset, const Plan& plan, Device device, double measured, double limit,
                    const std::function<void()>& progress, const Costs* known, const std::string& folder) {
  Pool& pool = backend_of(device).pool();
  pool.trim();  // an earlier plan may have been larger
  pool.reset_peak();
  reset_peak_memory();
  Costs costs;
  // Cases that stay in memory are read once. Steps with the first few of them show what a step takes afterwards.
  Plan timed = plan, few = plan;
  few.loader.cases.resize(std::min<std::size_t>(few.loader.cases.size(), kCasesTimed));
  const double all = cached_bytes(plan, dataset.info()), room = static_cast<double>(plan.loader.cache_bytes);
  const bool cached = all <= room;
  const double kept = cached ? 1 : room / all;  // share of the cases
  if ((limit > 0 || plan.fields) && cached) {
    timed.loader.cases = few.loader.cases;
    costs.reading = time_of([&] {
      data::Case one =
          dataset.read(nth(plan.loader.cases, std::ssize(plan.loader.cases) / 2), plan.loader.probabilities);
      plan.loader.prepare(one);
      if (plan.fields) plan.fields->of(one, plan.loader.patch);
    });
  }
  if (limit > 0 && plan.fields)
    costs.maps = static_cast<double>(plan.loader.cases.size()) * time_of([&] {
                   data::Case one = dataset.read(nth(plan.loader.cases, std::ssize(plan.loader.cases) / 2));
                   plan.loader.prepare(one);
                 });
  const bool in_part = limit > 0 && !cached && kept > kLeastKept;
  double in_memory = 0;
  if (in_part) {  // this trainer is gone before there is the next one
    Trainer of_few(dataset, few, device);
    in_memory = time_steps(of_few, plan.on_nan, measured / 4, progress).median;
  }
  Trainer trainer(dataset, timed, device);
  // Of cases in memory all steps take the same time, and the median knows nothing of other programs that ran for a
  // moment. Other cases are read now and then.
  const StepTimes times = time_steps(trainer, plan.on_nan, measured, progress);
  costs.step = cached ? times.median : times.mean;
  if (in_part) {  // a case that stays is read by the first step that shows it; the others are read each time
    const double spared = kept * std::max(0.0, times.mean - in_memory);
    costs.step -= spared;
    costs.reading = spared / static_cast<double>(plan.config.batch);
  }
  std::vector<NamedTensor> best;  // a training keeps them, and tests them in a network of their own
  costs.epoch = time_of([&] { trainer.require_finite(); });
  costs.checkpoint = time_of([&] {
    best = trainer.weights();
    const TensorFile state = trainer.state();
    if (!folder.empty()) write_checkpoint(folder, best, state);
  });
  trainer.release_recording();  // as a training does before it predicts
  if (known != nullptr) {
    costs.validation = known->validation;
    costs.test = known->test;
    costs.clean_up = known->clean_up;
    costs.pictures = known->pictures;
  } else {
    measure_predictions(dataset, plan, device, best, limit, progress, costs);
  }
  if (limit == 0) {  // the first steps may not have met the largest training case
    const auto smaller = [&shapes = dataset.info().shapes](std::int64_t a, std::int64_t b) {
      return nth(shapes, a).numel() < nth(shapes, b).numel();
    };
    data::Case one = dataset.read(*std::max_element(plan.loader.cases.begin(), plan.loader.cases.end(), smaller),
                                  plan.loader.probabilities);
    plan.loader.prepare(one);
  }
  const std::int64_t to_come = bytes_to_come(plan, trainer.loader().kept());
  costs.memory = peak_memory_bytes() + to_come + kBytesOfFiles;
  costs.tensors = static_cast<std::int64_t>(pool.statistics().peak) + (device == Device::cpu ? to_come : 0);
  return costs;
}

void prepare_maps(const data::Dataset& dataset, const Plan& plan, const std::function<void()>& progress) {
  if (plan.fields)
    plan.fields->prepare(dataset, plan.loader.cases, plan.loader.patch, plan.loader.prepare, progress,
                         [](const std::string&) {});
}

double voxel_seconds(const Plan& plan, Device device) {
  nn::Model model = fresh_model(plan, device);
  model.net->train(false);
  model.spec.preparation = {};
  model.spec.mirror = false;
  Shape extents = plan.model.window;  // of two windows side by side
  extents[-1] += (extents[-1] + 1) / 2;
  const Tensor image = zeros(extents + Shape{plan.model.net.in_channels});
  const auto predict = [&] { static_cast<void>(nn::predict(model, image)); };
  predict();  // allocates
  return time_of(predict) / static_cast<double>(2 * plan.model.window.numel());
}

double view_count(const Plan& plan) {
  const std::vector<std::int64_t>& axes = plan.model.mirror_axes;
  return plan.model.mirror ? std::exp2(std::count(axes.begin(), axes.end(), 1)) : 1;
}

double page_seconds(const Plan& plan, const Costs& costs) { return page_seconds(plan, costs, validated_share(plan)); }

double seconds_at_end(const Plan& plan, const Costs& costs) {
  const double share = least_validated_share(plan);
  return share * (costs.validation + costs.clean_up) + costs.test + page_seconds(plan, costs, share);
}

double seconds_of(const Plan& plan, const Costs& costs) {
  const double steps = costs.step * static_cast<double>(plan.steps),
               epochs = static_cast<double>(plan.epoch_of(plan.steps));
  return steps + costs.epoch * epochs + costs.checkpoint * checkpoints(plan, steps + costs.epoch * epochs) +
         validated_share(plan) * (costs.validation * static_cast<double>(validations(plan)) + costs.clean_up) +
         costs.reading * static_cast<double>(std::min(std::ssize(plan.loader.cases), plan.steps * plan.config.batch)) +
         costs.test + costs.maps + page_seconds(plan, costs);
}

void fit_time(Plan& plan, const Costs& costs, double seconds) {
  const auto steps_in = [&](double left) {
    const double epoch = costs.epoch / static_cast<double>(plan.steps_per_epoch);
    return static_cast<std::int64_t>(left / (costs.step + epoch));
  };
  const double page = page_seconds(plan, costs, least_validated_share(plan)),
               left = seconds - costs.test - costs.maps - page,
               least = least_validated_share(plan) * (costs.validation + costs.clean_up);
  const std::int64_t most = steps_in(left - least);  // with one validation
  if (most < 1)
    throw Error(
        ErrorKind::usage,
        text("--time: ", fixed(seconds, 1), " s are left after the preparation, a step takes ", fixed(costs.step, 2),
             " s, one validation with the choice of the clean-up ", fixed(least, 1), " s, the test and the report ",
             fixed(costs.test + page, 1), " s",
             costs.maps > 0 ? text(", the look at the maps ", fixed(costs.maps, 1), " s") : "", ": not one step fits"),
        "give more --time");
  set_steps(plan, most);
  bound_validations(plan, kValidationShare * left / std::max(validated_share(plan) * costs.validation, 1e-9));
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

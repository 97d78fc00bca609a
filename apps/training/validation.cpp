#include "apps/training/validation.h"

#include <algorithm>
#include <cmath>

#include "apps/training/preparation.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "nn/inference/windows.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kLeastValidations = 10, kLeastCases = 8;
constexpr double kPassesOfStep = 3;  // forward passes that take as long as a training step

double share_of(std::int64_t cases, const Plan& plan) {
  return plan.val.empty() ? 1 : static_cast<double>(cases) / static_cast<double>(plan.val.size());
}

}  // namespace

const std::vector<std::int64_t>& pictured_cases(const Plan& plan) {
  return !plan.val.empty() ? plan.val : !plan.test.empty() ? plan.test : plan.loader.cases;
}

std::vector<std::int64_t> evenly(std::int64_t count, std::int64_t size) {
  std::vector<std::int64_t> result;
  count = std::min(count, size);
  for (std::int64_t i = 0; i < count; ++i) result.push_back((2 * i + 1) * size / (2 * count));
  return result;
}

void set_validated(Plan& plan, std::int64_t count) {
  plan.validated.clear();
  const std::int64_t all = std::ssize(plan.val);
  for (const std::int64_t i : evenly(count == 0 ? all : count, all)) plan.validated.push_back(nth(plan.val, i));
  plan.config.validate_cases = std::ssize(plan.validated);
}

void bound_validations(Plan& plan, double allowed) {
  const std::int64_t cases = std::ssize(plan.validated), wished = validations(plan);
  const auto whole = [](double value) { return static_cast<std::int64_t>(std::min(value, 1e15)); };
  if (static_cast<double>(wished) <= allowed) return;
  const std::int64_t epochs = plan.epoch_of(plan.steps), least = std::min(wished, kLeastValidations);
  std::int64_t count = std::max(least, whole(allowed)), kept = cases;
  if (plan.config.validate_every > 0) {  // as many as there will be: they follow each other in whole epochs
    std::int64_t every = block_count(epochs, count);
    if (block_count(epochs, every) < least) every = std::max<std::int64_t>(plan.config.validate_every, epochs / count);
    count = block_count(epochs, every);
  }
  if (static_cast<double>(count) > allowed) {
    const double fitting = static_cast<double>(cases) * allowed / static_cast<double>(count);
    kept = std::min(cases, std::max(kLeastCases, whole(fitting)));
    // As often as the cases that are left can be segmented.
    const double part = cases == 0 ? 1 : static_cast<double>(kept) / static_cast<double>(cases);
    count = std::clamp<std::int64_t>(whole(allowed / part), 1, count);
  }
  if (kept < cases) set_validated(plan, kept);
  if (plan.config.validate_every > 0) plan.config.validate_every = block_count(epochs, count);
}

double window_voxels(const nn::ModelSpec& model, const data::DatasetInfo& info,
                     const std::vector<std::int64_t>& cases) {
  double voxels = 0;
  for (const std::int64_t index : cases) {
    const Shape extents = resampled_extents(model, info, index);
    double windows = 1;
    for (int axis = 0; axis < model.window.dims(); ++axis) {
      const std::int64_t extent = extents[axis], window = nn::largest_window(extent, model.window[axis]);
      windows *= static_cast<double>(std::min(extent, window) * std::ssize(nn::window_starts(extent, window)));
    }
    voxels += windows;
  }
  return voxels;
}

double validation_in_steps(const Plan& plan, const data::DatasetInfo& info) {
  return window_voxels(plan.model, info, plan.validated) /
         (kPassesOfStep * static_cast<double>(plan.config.batch) * static_cast<double>(plan.model.window.numel()));
}

std::int64_t validations(const Plan& plan) {
  const std::int64_t every = plan.config.validate_every, epochs = plan.epoch_of(plan.steps);
  return every == 0 ? 1 : (epochs + every - 1) / every;
}

std::int64_t plateau_patience(const Plan& plan) {
  return std::clamp<std::int64_t>(validations(plan) / 5, 1, plan.schedule.patience);
}

void require_validations(const Plan& plan) {
  const std::int64_t count = plan.val.empty() ? 0 : validations(plan);
  const auto require = [&](std::int64_t least, const std::string& option, const char* remedy) {
    if (count >= least) return;
    throw Error(
        ErrorKind::usage,
        text(option, ": never takes effect: it needs ", least, " validations or more, the training has ", count),
        plan.val.empty() ? std::string("give the dataset validation cases")
                         : text("give ", remedy, "a smaller --validate-every, more --steps or more --time; with ",
                                "--validate-cases 8, a validation takes less time"));
  };
  // The first validation is the best so far, and after the last one the training ends anyway.
  const std::int64_t patience = plan.config.patience;
  if (patience > 0) require(patience + 2, text("--patience ", patience), "a smaller one, ");
  if (plan.config.schedule == "plateau") require(plateau_patience(plan) + 3, "--schedule plateau", "");
}

double validated_share(const Plan& plan) { return share_of(std::ssize(plan.validated), plan); }

double least_validated_share(const Plan& plan) {
  return share_of(std::min(std::ssize(plan.validated), kLeastCases), plan);
}

}  // namespace voxgrad::apps

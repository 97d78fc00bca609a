#include "apps/comparison/convergence.h"

#include <cmath>

#include "apps/program/console.h"
#include "engine/error.h"
#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {
namespace {

// Of 24 trainings of 300 steps, those that rose by more than 0.02 gained 0.080 of test Dice in 600 steps, the
// others 0.014 (apps/README.md, decision 13).
constexpr double kLargestRise = 0.02, kLeastPatches = 1, kLargestSizeError = 0.5;
constexpr const char* kSoftError = "soft_region_proportion_error";

}  // namespace

std::string Convergence::too_short(const std::string& loss) const {
  if (patches < kLeastPatches) return text("a training has seen ", fixed(100 * patches, 0), " % of the training cases");
  if (rise > kLargestRise) return text("the validation Dice rose by ", fixed(rise, 2), " in the last third");
  if (loss == "ce" && size_error > kLargestSizeError)
    return text("its probabilities are ", fixed(100 * size_error, 0), " % away from the true sizes");
  return "";
}

Convergence convergence_of(const Comparison& comparison, const std::vector<const ComparedRun*>& runs) {
  Convergence result;
  std::vector<double> rises;
  double wrong = 0, voxels = 0;
  const bool soft = has_number(comparison, kSoftError);
  for (const ComparedRun* run : runs) {
    rises.push_back(late_rise(run->history));
    result.patches = std::fmin(result.patches, run->patches_per_case);
    if (!soft) continue;
    for (const CaseNumbers& one : run->cases) {
      const auto of = [&](const char* name) { return number_of(comparison, one, name); };
      const auto tp = of("tp"), fp = of("fp"), fn = of("fn"), tn = of("tn"), error = of(kSoftError);
      for (std::size_t c = 0; c < error.size(); ++c) {
        if (std::isnan(error[c])) continue;
        wrong += error[c] * (tp[c] + fp[c] + fn[c] + tn[c]);
        voxels += tp[c] + fn[c];
      }
    }
  }
  result.rise = losses::summarise(rises).mean;
  if (voxels > 0) result.size_error = wrong / voxels;
  return result;
}

}  // namespace voxgrad::apps

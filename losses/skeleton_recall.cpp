// Skeleton recall: how much of the skeleton of the truth the prediction finds.
//
//   R[n, c] = (sum p s + e) / (sum s + e)        L = mean over n and the classes but the background of 1 - R
//
// Kirchhoff et al., ECCV 2024 (arXiv 2404.03010), and the authors' code, which returns -R. s is the skeleton of all
// foreground together (skeleton() in engine/ops.h), widened by two voxels along the axes (tube=1), times the class. It
// is made once per case, so a step costs one integral, where clDice thins the prediction at every step. The authors add
// it to Dice and cross entropy with equal weights: dice_ce:background=0+skeleton_recall.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const bool tube = with.flag("tube", true, "1: the skeleton widened by two voxels, 0: the line itself");
  const double e = with.number("smooth", 1e-5, 1e-12, 1e12, "added to numerator and denominator");
  with.batch();
  return [=, key = with.field(tube ? "skeleton:tube" : "skeleton:line")](const LossInput& in) {
    const Tensor s = in.field(key);
    const auto [found, all] = in.integrals(row(Integrand::mass, s), row(Integrand::voxels, s));
    return mean(1 - (in.foreground(found) + e) / (in.foreground(all) + e));
  };
}

}  // namespace

Spec spec_skeleton_recall() {
  return {.name = "skeleton_recall",
          .family = Family::region,
          .summary = "Recall of the skeleton of the truth, for connected thin structures",
          .formula = "mean_nc 1 - (sum p s + e) / (sum s + e), s the widened skeleton of the truth",
          .source = "Kirchhoff et al., ECCV 2024 (arXiv 2404.03010)",
          .helps = "vessels, roads, membranes: gaps cost; as fast as Dice, with little memory",
          .fails = "alone: a prediction that is everywhere has the loss 0",
          .build = build,
          .geometric = true,
          .objective = false};
}

}  // namespace voxgrad::losses

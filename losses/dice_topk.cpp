// Dice plus the cross entropy of the hardest voxels: lambda_dice L_dice + lambda_topk L_topk.
//
// Isensee et al., nnU-Net, Nature Methods 2021 (DC_and_topk). The Dice term obeys background and batch.
#include "losses/terms/rank.h"
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double lambda_dice = with.number("lambda_dice", 1, 0, 1e6, "weight of the Dice term");
  const double lambda_topk = with.number("lambda_topk", 1, 0, 1e6, "weight of the cross entropy");
  const double percent = percent_of_voxels(with);
  const Smoothing s = smoothing(with);
  with.background();
  with.batch();
  return [=](const LossInput& in) {
    const HardestVoxels hardest = hardest_voxels(in, in.map(Integrand::nll).detach(), percent);
    const auto [I, P, G, L] =
        in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, row(Integrand::nll, hardest.selected));
    return lambda_dice * in.mean_of_classes(1 - dice_coefficient(I, P, G, s), G) +
           lambda_topk * (sum(L) / hardest.count);
  };
}

}  // namespace

Spec spec_dice_topk() {
  return {.name = "dice_topk",
          .family = Family::compound,
          .summary = "Dice plus the cross entropy of the hardest voxels",
          .formula = "lambda_dice L_dice + lambda_topk L_topk",
          .source = "Isensee et al., Nature Methods 2021",
          .helps = "small structures in large volumes, among the best of the published benchmarks of compounds",
          .fails = "as topk: wrong labels are the hardest voxels",
          .build = build};
}

}  // namespace voxgrad::losses

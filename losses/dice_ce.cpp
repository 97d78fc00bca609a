// Dice plus cross entropy: lambda_dice L_dice + lambda_ce L_ce, both in one pass over the logits.
//
// Isensee et al., nnU-Net, Nature Methods 2021; Taghanaki et al. 2019 (combo) without its class weights. The Dice term
// obeys background and batch. The cross entropy always runs over all classes.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double lambda_dice = with.number("lambda_dice", 1, 0, 1e6, "weight of the Dice term");
  const double lambda_ce = with.number("lambda_ce", 1, 0, 1e6, "weight of the cross entropy");
  const Smoothing s = smoothing(with);
  with.background();
  with.batch();
  return [=](const LossInput& in) {
    const auto [I, P, G, L, M] =
        in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, Integrand::nll, Integrand::weight);
    const Tensor dice_loss = in.mean_of_classes(1 - dice_coefficient(I, P, G, s), G);
    return lambda_dice * dice_loss + lambda_ce * in.mean_of_voxels(L, M);
  };
}

}  // namespace

Spec spec_dice_ce() {
  return {.name = "dice_ce",
          .family = Family::compound,
          .summary = "Dice plus cross entropy, the default of nnU-Net",
          .formula = "lambda_dice L_dice + lambda_ce L_ce",
          .source = "Isensee et al., Nature Methods 2021",
          .helps = "almost always: overlap for the imbalance, cross entropy for gradients where Dice is saturated",
          .fails = "two scales in one number: the cross entropy rules early, Dice late",
          .build = build};
}

}  // namespace voxgrad::losses

// Dice plus focal loss: lambda_dice L_dice + lambda_focal L_focal, both in one pass over the logits.
//
// Zhu et al., AnatomyNet, Medical Physics 2019. The focal term is the softmax one (losses/focal.cpp). MONAI's is
// one-against-the-rest with sigmoids even if its softmax is on. The Dice term obeys background and batch.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double lambda_dice = with.number("lambda_dice", 1, 0, 1e6, "weight of the Dice term");
  const double lambda_focal = with.number("lambda_focal", 1, 0, 1e6, "weight of the focal term");
  const double gamma = with.number("gamma", 2, 0, 100, "focal exponent; 0 is dice_ce");
  const Smoothing s = smoothing(with);
  with.background();
  with.batch();
  return [=](const LossInput& in) {
    const auto [I, P, G, L, M] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present,
                                              row(Integrand::focal, gamma), Integrand::weight);
    const Tensor dice_loss = in.mean_of_classes(1 - dice_coefficient(I, P, G, s), G);
    return lambda_dice * dice_loss + lambda_focal * in.mean_of_voxels(L, M);
  };
}

}  // namespace

Spec spec_dice_focal() {
  return {.name = "dice_focal",
          .family = Family::compound,
          .summary = "Dice plus focal loss",
          .formula = "lambda_dice L_dice + lambda_focal L_focal",
          .source = "Zhu et al., Medical Physics 2019",
          .helps = "imbalance with many easy voxels, and Dice as the goal",
          .fails = "as focal: attention goes to wrong labels, probabilities are underconfident",
          .build = build};
}

}  // namespace voxgrad::losses

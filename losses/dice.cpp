// Soft Dice.
//
//   D[n, c] = (2 I + nr) / (P + G + dr)      I = sum p t, P = sum p, G = sum t over the voxels of sample n
//   L = mean over n, c of 1 - D
//
// denominator=squared takes P = sum p^2, and of soft labels G = sum t^2 (Milletari et al., V-Net, 3DV 2016; Ma 2020,
// Eq. 8). denominator=linear is Drozdzal et al. 2016, which today's libraries compute. Eq. 8 sums over the classes
// inside the ratio, which is pool_classes=1. transform=neg_log is log-Dice; D is clamped to 1e-12 from below, which
// matters without smooth_nr only. transform=log_cosh is Jadon 2020.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Choice power = with.choice("denominator", {"linear", "squared"}, "P = sum p, or sum p^2 (V-Net)");
  const Integrand denominator = power.is("squared") ? Integrand::square : Integrand::mass;
  const Smoothing s = region_options(with);
  const Choice transform =
      with.choice("transform", {"one_minus", "neg_log", "log_cosh"}, "of D to a loss: 1 - D, -log D, log cosh(1 - D)");
  const bool neg_log = transform.is("neg_log"), rounded = transform.is("log_cosh");
  return [=](const LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, denominator, Integrand::present);
    const Tensor T = in.soft_labels() && power.is("squared") ? in.sums(square(in.truth())) : G;
    const Tensor D = dice_coefficient(I, P, T, s);
    return in.mean_of_classes(neg_log ? -log(clamp(D, 1e-12, kInfinity)) : rounded ? log_cosh(1 - D) : 1 - D, G);
  };
}

}  // namespace

Spec spec_dice() {
  return {
      .name = "dice",
      .family = Family::region,
      .summary = "Soft Dice, one ratio per sample and class",
      .formula = "mean_nc 1 - (2 I + nr) / (P + G + dr)",
      .source = "Milletari et al., 3DV 2016; Drozdzal et al. 2016; Ma 2020, Eq. 8",
      .helps =
          "class imbalance: every class weighs the same whatever its size, and the measure is the one that is reported",
      .fails =
          "confidently wrong voxels have no gradient; a class absent from an image has the loss 1 but almost no slope "
          "(batch=1 or absent=ignore); ambiguous borders are decided all-or-nothing, so probabilities are "
          "overconfident",
      .build = build};
}

}  // namespace voxgrad::losses

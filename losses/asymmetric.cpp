// Asymmetric similarity: one minus the F_beta score.
//
//   F[n, c] = (I + nr) / (I + b FN + (1 - b) FP + dr)      b = beta^2 / (1 + beta^2)
//   L = mean over n, c of 1 - F
//
// Hashemi et al., IEEE Access 2019; Ma 2020, Eq. 13, where the "1 -" is missing. This is the Tversky loss with weights
// that add up to 1. With beta = 1 it is Dice.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double beta = with.number("beta", 1.5, 0, 1e6, "above 1 recall counts more, below 1 precision");
  const double b = beta * beta / (1 + beta * beta);
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present);
    return in.mean_of_classes(1 - tversky_index(I, P, G, 1 - b, b, s), G);
  };
}

}  // namespace

Spec spec_asymmetric() {
  return {
      .name = "asymmetric",
      .family = Family::region,
      .summary = "One minus the F_beta score",
      .formula = "mean_nc 1 - (I + nr) / (I + b FN + (1 - b) FP + dr), b = beta^2 / (1 + beta^2)",
      .source = "Hashemi et al., IEEE Access 2019; Ma 2020, Eq. 13",
      .helps =
          "small objects that would be missed: as tversky, with one parameter that means something, the beta of the F "
          "score",
      .fails = "away from beta = 1 it no longer optimises Dice; no gradient at confidently wrong voxels, as in dice",
      .build = build};
}

}  // namespace voxgrad::losses

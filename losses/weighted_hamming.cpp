// Weighted Hamming: the mean error on the object and off it.
//
//   L = mean over n, c of  gamma FN / (G + eps) + (1 - gamma) FP / (M - G + eps)
//
// Bertels et al., MICCAI 2019; Eelbode et al., TMI 2020. Weighted cross entropy is a surrogate of this loss. It serves
// to test the claim that no choice of gamma approximates Dice. It is linear in p.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double gamma = with.number("gamma", 0.5, 0, 1, "weight of the error on the object");
  const double eps = with.number("eps", 1e-5, 1e-12, 1e12, "added to both denominators");
  class_options(with);
  return [=](const LossInput& in) {
    // P - I would be a difference of equal numbers, divided by eps, where a class fills the image.
    const auto [FN, FP, G, M] = in.integrals(row(Integrand::miss_power, 1), row(Integrand::alarm_power, 1),
                                             Integrand::present, Integrand::voxels);
    return in.mean_of_classes(gamma * (FN / (G + eps)) + (1 - gamma) * (FP / (M - G + eps)), G);
  };
}

}  // namespace

Spec spec_weighted_hamming() {
  return {.name = "weighted_hamming",
          .family = Family::region,
          .summary = "Mean error on the object and off it, weighted",
          .formula = "mean_nc gamma FN / (G + eps) + (1 - gamma) FP / (M - G + eps)",
          .source = "Bertels et al., MICCAI 2019; Eelbode et al., TMI 2020",
          .helps = "as a reference for theory: the region form of weighted cross entropy",
          .fails = "no gamma approximates Dice for objects of every size; no gradient at confidently wrong voxels",
          .build = build};
}

}  // namespace voxgrad::losses

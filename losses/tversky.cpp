// Tversky index: Dice with separate weights for false positives and false negatives.
//
//   T[n, c] = (I + nr) / (I + alpha FP + beta FN + dr)      FP = sum p (1 - t), FN = sum (1 - p) t
//   L = mean over n, c of 1 - T
//
// Salehi et al., MLMI 2017; Ma 2020, Eq. 10, where the "1 -" is missing. alpha weights FP and beta FN; others use
// the letters the other way round. alpha = beta = 1/2 is Dice, alpha = beta = 1 is Jaccard.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.3, 0, 1e6, "weight of false positives");
  const double beta = with.number("beta", 0.7, 0, 1e6, "weight of false negatives");
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present);
    return in.mean_of_classes(1 - tversky_index(I, P, G, alpha, beta, s), G);
  };
}

}  // namespace

Spec spec_tversky() {
  return {.name = "tversky",
          .family = Family::region,
          .summary = "Tversky index: Dice with weights for false positives and false negatives",
          .formula = "mean_nc 1 - (I + nr) / (I + alpha FP + beta FN + dr)",
          .source = "Salehi et al., MLMI 2017; Ma 2020, Eq. 10",
          .helps = "small objects that would be missed: beta > alpha trades precision for recall",
          .fails =
              "away from alpha = beta = 1/2 it no longer optimises Dice; in other papers alpha weighs the false "
              "negatives: check before copying a setting",
          .build = build};
}

}  // namespace voxgrad::losses

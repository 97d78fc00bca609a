// Combo loss: weighted binary cross entropy minus Dice.
//
//   L = -alpha mean_ic [beta t ln p + (1 - beta) (1 - t) ln(1 - p)] - (1 - alpha) mean_c (2 I + e) / (P + G + e)
//
// Taghanaki et al., Computerized Medical Imaging and Graphics 2019; Ma 2020, Eq. 15, whose brackets leave the sign of
// the second logarithm open (the authors' code has it positive, which rewards false positives). With several classes
// each channel that counts is a binary problem. shift=1 adds 1 - alpha, so that a perfect prediction has the value 0.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.5, 0, 1, "share of the cross entropy");
  const double beta = with.number("beta", 0.5, 0, 1, "above 1/2 misses cost more than false alarms");
  const double e = with.number("smooth", 1, 1e-12, 1e12, "e, in numerator and denominator of D");
  const double shift = with.flag("shift", false, "1: adds 1 - alpha, so that the least value is 0") ? 1 - alpha : 0;
  with.batch(true);
  with.background();
  return [=](const LossInput& in) {
    const auto [I, P, G, misses, alarms, M] =
        in.integrals(Integrand::overlap, Integrand::mass, Integrand::present, Integrand::miss_log, Integrand::alarm_log,
                     Integrand::voxels);
    const Tensor cross_entropy = in.mean_of_voxels(beta * misses + (1 - beta) * alarms, M);
    return alpha * cross_entropy - (1 - alpha) * mean(dice_coefficient(I, P, G, {e, e})) + shift;
  };
}

}  // namespace

Spec spec_combo() {
  return {.name = "combo",
          .family = Family::compound,
          .summary = "Weighted binary cross entropy minus Dice",
          .formula = "-alpha mean_ic [beta t ln p + (1-beta) (1-t) ln(1-p)] - (1-alpha) mean_c D",
          .source = "Taghanaki et al., CMIG 2019; Ma 2020, Eq. 15",
          .helps = "imbalance, with a handle on misses against false alarms",
          .fails =
              "one-against-the-rest cross entropy counts the background once per channel; without shift=1 the least "
              "value is alpha - 1",
          .build = build};
}

}  // namespace voxgrad::losses

// Dice++: the errors of Dice to a power, so that a voxel that is nearly right costs little and need not become certain.
//
//   D[n, c] = (2 I + s) / (2 I + sum (t (1 - p))^gamma + sum ((1 - t) p)^gamma + s)
//   L = mean over n, c of 1 - D
//
// Yeung et al., Journal of Digital Imaging 2023 (doi 10.1007/s10278-022-00735-3), and the authors' code with gamma = 2.
// gamma = 1 is Dice. Above 1 the value of a hard mask is still that of Dice, because its errors are 0 or 1.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double gamma =
      with.number("gamma", 2, 1, 10, "exponent of the errors; larger values favour unsure predictions");
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, misses, alarms, G] = in.integrals(Integrand::overlap, row(Integrand::miss_power, gamma),
                                                     row(Integrand::alarm_power, gamma), Integrand::present);
    return in.mean_of_classes(1 - (2 * I + s.nr) / (2 * I + misses + alarms + s.dr), G);
  };
}

}  // namespace

Spec spec_dice_pp() {
  return {.name = "dice_pp",
          .family = Family::region,
          .summary = "Dice++: Dice with its errors to a power, for calibrated probabilities",
          .formula = "mean_nc 1 - (2 I + nr) / (2 I + sum (t q)^gamma + sum ((1 - t) p)^gamma + dr), q = 1 - p",
          .source = "Yeung et al., Journal of Digital Imaging 2023",
          .helps = "calibration: Dice rewards overconfident borders, and this does not",
          .fails = "probabilities at borders stay near 1/2, so a threshold other than 1/2 changes the mask a lot",
          .build = build};
}

}  // namespace voxgrad::losses

// Focal Tversky: a power of the Tversky loss.
//
//   L = mean over n, c of (1 - T[n, c])^(1/gamma)      T as in tversky.cpp, alpha on FP, beta on FN
//
// Abraham and Khan, ISBI 2019 (whose alpha is on FN, and whose code writes the exponent 0.75 = 1/gamma as gamma); Ma
// 2020, Eq. 12. order=mean_then_power takes the power of the mean, as SegLoss does. For gamma > 1 the derivative at
// 1 - T = 0 is infinite and set to 0.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double alpha = with.number("alpha", 0.3, 0, 1e6, "weight of false positives");
  const double beta = with.number("beta", 0.7, 0, 1e6, "weight of false negatives");
  const double exponent = 1 / with.number("gamma", 4.0 / 3, 0.1, 10, "the exponent is 1/gamma");
  const Smoothing s = region_options(with);
  const Choice order =
      with.choice("order", {"power_then_mean", "mean_then_power"}, "power of each class's loss, or of their mean");
  const bool power_last = order.is("mean_then_power");
  return [=](const LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, Integrand::mass, Integrand::present);
    const Tensor L = 1 - tversky_index(I, P, G, alpha, beta, s);
    if (power_last) return safe_pow(in.mean_of_classes(L, G), exponent);
    return in.mean_of_classes(safe_pow(L, exponent), G);
  };
}

}  // namespace

Spec spec_focal_tversky() {
  return {.name = "focal_tversky",
          .family = Family::region,
          .summary = "A power of the Tversky loss",
          .formula = "mean_nc (1 - T)^(1/gamma)",
          .source = "Abraham and Khan, ISBI 2019; Ma 2020, Eq. 12",
          .helps = "small lesions: the slope stays steep when a class is nearly right",
          .fails =
              "gamma > 1 raises small losses, contrary to what focal suggests, and the slope has no bound near a "
              "perfect class; gamma < 1 focuses on hard classes",
          .build = build};
}

}  // namespace voxgrad::losses

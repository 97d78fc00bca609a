// Sensitivity and specificity with squared errors.
//
//   L = mean over n, c of  w sum (1 - p)^2 t / (G + eps) + (1 - w) sum p^2 (1 - t) / (M - G + eps)
//
// Brosch et al., MICCAI 2015; Ma 2020, Eq. 7 (which sums over the classes inside the ratios: pool_classes=1). w is
// small because nearly all voxels are background: their mean error is small and needs the larger factor.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double w = with.number("w", 0.05, 0, 1, "weight of the error on the object (sensitivity)");
  const double eps = with.number("eps", 1e-5, 1e-12, 1e12, "added to both denominators");
  class_options(with);
  return [=](const LossInput& in) {
    const auto [misses, alarms, G, M] = in.integrals(row(Integrand::miss_power, 2), row(Integrand::alarm_power, 2),
                                                     Integrand::present, Integrand::voxels);
    return in.mean_of_classes(w * (misses / (G + eps)) + (1 - w) * (alarms / (M - G + eps)), G);
  };
}

}  // namespace

Spec spec_sensitivity_specificity() {
  return {.name = "sensitivity_specificity",
          .family = Family::region,
          .summary = "Squared error on the object and off it, weighted",
          .formula = "mean_nc w sum (1-p)^2 t / (G + eps) + (1 - w) sum p^2 (1-t) / (M - G + eps)",
          .source = "Brosch et al., MICCAI 2015; Ma 2020, Eq. 7",
          .helps = "very small lesions, with a handle on the kind of error",
          .fails =
              "squared errors saturate: no gradient at confidently wrong voxels; w has to be tuned to the size of the "
              "objects",
          .build = build};
}

}  // namespace voxgrad::losses

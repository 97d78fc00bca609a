// Soft Jaccard index (IoU).
//
//   J[n, c] = (I + nr) / (P + G - I + dr)    I = sum p t, P = sum p, G = sum t over the voxels of sample n
//   L = mean over n, c of 1 - J
//
// Rahman and Wang, ISVC 2016; Ma 2020, Eq. 9 (which sums over the classes inside the ratio: pool_classes=1).
// denominator=squared takes P = sum p^2, and of soft labels G = sum t^2. Without smoothing L = 2 L_dice / (1 + L_dice).
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Choice power = with.choice("denominator", {"linear", "squared"}, "P = sum p, or sum p^2");
  const Integrand denominator = power.is("squared") ? Integrand::square : Integrand::mass;
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = in.integrals(Integrand::overlap, denominator, Integrand::present);
    const Tensor T = in.soft_labels() && power.is("squared") ? in.sums(square(in.truth())) : G;
    return in.mean_of_classes(1 - (I + s.nr) / (P + T - I + s.dr), G);
  };
}

}  // namespace

Spec spec_jaccard() {
  return {.name = "jaccard",
          .family = Family::region,
          .summary = "Soft Jaccard index (IoU), one ratio per sample and class",
          .formula = "mean_nc 1 - (I + nr) / (P + G - I + dr)",
          .source = "Rahman and Wang, ISVC 2016; Ma 2020, Eq. 9",
          .helps =
              "as dice; it ranks single segmentations like dice, and errors in nearly right classes weigh up to twice "
              "as much",
          .fails = "as dice: no gradient at confidently wrong voxels, absent classes, overconfidence",
          .build = build};
}

}  // namespace voxgrad::losses

// Dice semimetric loss: a Dice loss that is also right for soft labels.
//
//   L = 1 - (2 I' + nr) / (P + G + dr)        I' = (P + G - |p - t|_1) / 2
//
// Wang et al., MICCAI 2023. For labels of 0 and 1 it is equal to `dice`. Soft labels come from label smoothing, from
// several raters or from a teacher network. For them Dice with I = sum p t has its minimum at p of 0 or 1, but this
// loss has it at p = t.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const auto sums = soft_sums(with);
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = sums(in);
    return in.mean_of_classes(1 - dice_coefficient(I, P, G, s), G);
  };
}

}  // namespace

Spec spec_dml() {
  return {.name = "dml",
          .family = Family::region,
          .summary = "Dice semimetric loss: Dice for soft labels",
          .formula = "1 - (P + G - |p - t|_1 + nr) / (P + G + dr)",
          .source = "Wang et al., MICCAI 2023",
          .helps =
              "soft labels: smoothed, averaged over raters, or from a teacher, where dice prefers p of 0 or 1 to p = t",
          .fails = "as dice on empty images and at confidently wrong voxels",
          .build = build};
}

}  // namespace voxgrad::losses

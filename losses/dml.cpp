// Dice semimetric loss: Dice that is right for soft labels too.
//
//   L = 1 - (2 I' + nr) / (P + G + dr)        I' = (P + G - |p - t|_1) / 2
//
// Wang et al., MICCAI 2023. For labels of 0 and 1 it is `dice`. For soft ones (smoothing, several raters, a teacher)
// Dice with I = sum p t has its minimum at p of 0 or 1 instead of at p = t; here it is at p = t.
#include "losses/terms/semimetric.h"

namespace voxgrad::losses {
namespace {

Function build(const Parameters& with) {
  const double smoothing_share = with.number("smoothing");
  const Smoothing s = smoothing(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = soft_overlap(in, smoothing_share);
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
          .parameters = semimetric_parameters(),
          .helps =
              "soft labels: smoothed, averaged over raters, or from a teacher, where dice prefers p of 0 or 1 to p = t",
          .fails = "as dice on empty images and at confidently wrong voxels",
          .build = build,
          .soft_labels = true};
}

}  // namespace voxgrad::losses

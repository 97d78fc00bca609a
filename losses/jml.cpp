// Jaccard metric loss: a Jaccard loss that is also right for soft labels.
//
//   L = 1 - (I' + nr) / (P + G - I' + dr)        I' = (P + G - |p - t|_1) / 2
//
// Wang et al., NeurIPS 2023. For labels of 0 and 1 it is equal to `jaccard`; see dml.cpp.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const auto sums = soft_sums(with);
  const Smoothing s = region_options(with);
  return [=](const LossInput& in) {
    const auto [I, P, G] = sums(in);
    return in.mean_of_classes(1 - tversky_index(I, P, G, 1, 1, s), G);
  };
}

}  // namespace

Spec spec_jml() {
  return {
      .name = "jml",
      .family = Family::region,
      .summary = "Jaccard metric loss: Jaccard for soft labels",
      .formula = "1 - (P + G - |p - t|_1 + 2 nr) / (P + G + |p - t|_1 + 2 dr)",
      .source = "Wang et al., NeurIPS 2023",
      .helps =
          "soft labels: smoothed, averaged over raters, or from a teacher, where jaccard prefers p of 0 or 1 to p = t",
      .fails = "as jaccard on empty images and at confidently wrong voxels",
      .build = build};
}

}  // namespace voxgrad::losses

// What dml and jml share: the overlap of soft labels, I' = (P + G - |p - t|_1) / 2, which is I where the labels are 0
// or 1 (Wang et al., MICCAI 2023).
#pragma once

#include "losses/terms/region.h"

namespace voxgrad::losses {

inline std::vector<Parameter> semimetric_parameters() {
  return std::vector<Parameter>{number("smoothing", 0, 0, 0.999, "share of the label spread evenly over all classes")} +
         smoothing_parameters() +
         std::vector<Parameter>{common::batch(), common::background(), common::pool_classes(), common::absent(),
                                common::weights("factor of a class's loss")};
}

struct SoftOverlap {
  Tensor I, P, G;  // [N', C']
};
inline SoftOverlap soft_overlap(const LossInput& in, double smoothing) {
  if (smoothing == 0 && !in.soft_labels()) {
    const auto [P, G, distance] = in.integrals(Integrand::mass, Integrand::present, Integrand::error);
    return {0.5 * (P + G - distance), P, G};
  }
  const Tensor p = in.probabilities(), t = in.truth(smoothing);
  const Tensor P = in.sums(p), G = in.sums(t);
  return {0.5 * (P + G - in.sums(abs(p - t))), P, G};
}

}  // namespace voxgrad::losses

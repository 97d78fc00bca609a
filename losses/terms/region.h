// What the region losses share: the sums of a class over its entry (sample n, class c), and ratios of them.
//   I = sum p t   P = sum p   G = sum t   FP = P - I   FN = G - I
#pragma once

#include "losses/core/inputs.h"

namespace voxgrad::losses {

struct Smoothing {
  double nr, dr;
};
inline std::vector<Parameter> smoothing_parameters() {
  return {number("smooth_nr", 1e-5, 0, 1e12, "added to the numerator"),
          number("smooth_dr", 1e-5, 1e-12, 1e12, "added to the denominator")};
}
inline Smoothing smoothing(const Parameters& with) { return {with.number("smooth_nr"), with.number("smooth_dr")}; }

// smooth_nr, smooth_dr, batch, background, pool_classes, absent, weights
inline std::vector<Parameter> region_parameters() {
  return smoothing_parameters() + std::vector<Parameter>{common::batch(), common::background(), common::pool_classes(),
                                                         common::absent(), common::weights("factor of a class's loss")};
}

// I, P, G of both classes where there is one sigmoid channel: a column for its complement in front. M: voxels.
inline std::array<Tensor, 3> with_complement(const LossInput& in, const Tensor& I, const Tensor& P, const Tensor& G,
                                             const Tensor& M) {
  if (in.channels() > 1) return {I, P, G};
  return {concat({M - P - G + I, I}, 1), concat({M - P, P}, 1), concat({M - G, G}, 1)};
}

// (2 I + nr) / (P + G + dr)
inline Tensor dice_coefficient(const Tensor& I, const Tensor& P, const Tensor& G, const Smoothing& s) {
  return (2 * I + s.nr) / (P + G + s.dr);
}

// (I + nr) / (I + alpha FP + beta FN + dr)
inline Tensor tversky_index(const Tensor& I, const Tensor& P, const Tensor& G, double alpha, double beta,
                            const Smoothing& s) {
  return (I + s.nr) / (I + alpha * (P - I) + beta * (G - I) + s.dr);
}

}  // namespace voxgrad::losses

// Generalised surface loss: the share of the squared distances to the true border that the prediction gets wrong.
//
//   N = sum (D (1 - (t + p)))^2,   Q = sum D^2        D the distance to the border of the class, on both sides
//   ratio=class:   L = mean over n, c of 1 - N / Q
//   ratio=pooled:  L = mean over n of 1 - sum_c w N / sum_c w Q, w = 1 / (G^2 + 1)
//
// Celaya et al., arXiv 2302.03868. ratio=pooled is the code of the paper, ratio=class that of MIST, which always leaves
// the background out. With e = |p - t| a voxel contributes D^2 (1 - (1 - e)^2) = D^2 (2 e - e^2), which keeps its
// digits where e is small. L is in [0, 1] and a ratio, so that the unit of D cancels; 0 / 0, a class that is absent,
// counts 0. The paper adds a region term whose share shrinks during the training; one share is
// 0.5*dice_ce+0.5*generalized_surface.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const bool pooled =
      with.choice("ratio", {"class", "pooled"}, "one ratio per class, or one of all classes weighted by 1 / (G^2 + 1)")
          .is("pooled");
  with.background(false);
  return [=, key = with.field("distance")](const LossInput& in) {
    const Tensor D = in.field(key);
    const Integral error = row(Integrand::error, square(D)), error_square = row(Integrand::error_square, error.field);
    auto [E, EE, Q, G] = in.integrals(error, error_square, row(Integrand::voxels, error.field), Integrand::present);
    Tensor wrong = 2 * E - EE;
    if (pooled) {
      const Tensor w = reciprocal(square(G) + 1);
      wrong = sum(w * wrong, {1});
      Q = sum(w * Q, {1});
    }
    return mean(wrong / clamp(Q, 1e-30, kInfinity));
  };
}

}  // namespace

Spec spec_generalized_surface() {
  return {.name = "generalized_surface",
          .family = Family::boundary,
          .summary = "Share of the squared distances to the true border that the prediction gets wrong",
          .formula = "mean_nc 1 - sum (D (1 - (t + p)))^2 / sum D^2, D the distance to the border of the class",
          .source = "Celaya et al., arXiv 2302.03868",
          .helps = "with a region loss, where errors far from the border hurt; bounded, so it needs no schedule",
          .fails = "hardly sees the voxels at the border, and not at all a class that is absent from the case",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

// Rectified region-wise loss: the probability, weighted by a map that is 1 outside of the class and falls from 0 at its
// border to -1 at its centre.
//
//   L = mean over n, c, i of p w        w = 1 outside, -d / max d inside, d the distance to the border
//
// Valverde and Tohka, Pattern Recognition 2023 (arXiv 2108.01405), Eq. 7 to 9. It is the boundary loss, rectified: the
// map outside is constant, and inside it is divided by its largest value in the image. So it trains alone, without a
// schedule, and the unit of length cancels. max d is that of the whole case. A class that is absent has w = 1, one that
// fills the image w = 0. The authors' code counts the background.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  with.background();
  return [key = with.field("region")](const LossInput& in) {
    const auto [S, M] = in.integrals(row(Integrand::mass, in.field(key)), Integrand::voxels);
    return mean(S / clamp(M, 1, kInfinity));
  };
}

}  // namespace

Spec spec_regionwise() {
  return {.name = "regionwise",
          .family = Family::boundary,
          .summary = "Probability times a map from 1 outside of a class to -1 at its centre",
          .formula = "mean_(n,c,i) p w, w = 1 outside, -d / max d inside the class",
          .source = "Valverde and Tohka, Pattern Recognition 2023 (arXiv 2108.01405)",
          .helps = "as the boundary loss, but stable alone: no schedule, no second term, no unit of length",
          .fails = "the border and small objects beside a large one have weights near 0; no gradient once p is 0 or 1",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

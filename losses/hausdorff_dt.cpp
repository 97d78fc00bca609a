// Hausdorff distance loss by distance transforms.
//
//   L = mean over samples, classes and voxels of (p - t)^2 (d_G^alpha + d_S^alpha)
//
// Karimi and Salcudean, TMI 2020, Eq. 8; one_sided leaves d_S out. d_G and d_S are the distances to the borders of the
// truth and of the predicted mask S; they are 0 if a mask is empty or full. S follows the prediction at every step but
// carries no gradient. Ma 2020, section 4.2 writes (s - g) without the square, which rewards false negatives. Public
// codes differ: some take distances inside of the masks only (sides=fg) or the likeliest class (prediction=argmax).
#include "losses/terms/distance.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const auto hausdorff = hausdorff_term(with);
  const bool logarithm = with.flag("log", false, "1: log(1 + L)");
  with.background(false);
  return [=](const LossInput& in) {
    const auto [S, M] = in.integrals(hausdorff(in), Integrand::voxels);
    const Tensor L = mean(S / clamp(M, 1, kInfinity));
    return logarithm ? log1p(L) : L;
  };
}

}  // namespace

Spec spec_hausdorff_dt() {
  return {.name = "hausdorff_dt",
          .family = Family::boundary,
          .summary = "Squared error weighed by the distance to both borders",
          .formula = "mean_(n,c,i) (p - t)^2 (d_G^alpha + d_S^alpha)",
          .source = "Karimi and Salcudean, TMI 2020, Eq. 8; Ma 2020, section 4.2",
          .helps = "outliers far from the object, in a compound",
          .fails =
              "values grow with the square of the object: it must be balanced; no gradient once p is 0 or 1; a "
              "distance transform of the prediction at every step",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

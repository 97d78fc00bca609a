// Boundary difference over union: the difference of prediction and truth over their union without a part of the
// intersection. That part grows with the object, so that the border keeps its share of the loss.
//
//   L = mean over c of (P + G - 2 I + s) / (P + G - (1 + alpha) I + s)        P = sum p^2
//   alpha = min(1 - 2 (B + s) / (G + s), most), B the number of border voxels of the class
//
// Sun, Luo and Li, MICCAI 2023, Eq. 1 and 2, and the authors' code, which adds up over the batch, counts the
// background, and has s = 1e-5. A border voxel has a face neighbour outside of the class or of the image. The paper is
// about images; here a voxel of a volume has six face neighbours. B counts the border of the whole case, in a patch its
// part.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double most = with.number("most", 0.8, -1, 0.999, "upper bound of alpha; -1: Dice with squares");
  const double s = with.number("smooth", 1e-5, 1e-12, 1e12, "added to numerators and denominators");
  with.batch(true);
  with.background();
  with.pool_classes();
  with.absent();
  with.weights("factor of a class's loss");
  return [=, key = with.field("border")](const LossInput& in) {
    const auto [I, P, G, B] =
        in.integrals(Integrand::overlap, Integrand::square, Integrand::present, row(Integrand::present, in.field(key)));
    const Tensor alpha = clamp(1 - 2 * (B + s) / (G + s), -1, most);
    return in.mean_of_classes((P + G - 2 * I + s) / (P + G - (1 + alpha) * I + s), G);
  };
}

}  // namespace

Spec spec_boundary_dou() {
  return {
      .name = "boundary_dou",
      .family = Family::boundary,
      .summary = "Difference over union, with a part of the intersection left out of the union",
      .formula = "mean_c (P + G - 2 I) / (P + G - (1 + a) I), P = sum p^2, a = min(1 - 2 B / G, 0.8), B border voxels",
      .source = "Sun et al., MICCAI 2023, Eq. 1 and 2",
      .helps = "borders of large and of small objects alike, without distances or a second term",
      .fails = "as Dice, a class without truth has almost no slope; in patches the border of the patch cuts objects",
      .build = build,
      .geometric = true};
}

}  // namespace voxgrad::losses

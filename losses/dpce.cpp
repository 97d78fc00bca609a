// Cross entropy with a weight that grows towards the border of each class.
//
//   L = 1/M sum_i (1 + D_i) l_i        l_i = -log p_y
//
// d_i is the distance to the nearest voxel of another class. Over the region of each class of an image
//   normalize=range: D = (max d - d) / (max d - min d)     max: D = (max d - d) / max d     none: D = max d - d
//
// Caliva et al. 2019; Ma 2020, Eq. 6, which writes the product outside of the sum, although it belongs inside. The
// published code returns the cross entropy without D.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const Choice normalize = with.choice("normalize", {"range", "max", "none"},
                                       "D divided by its range in the class, by its largest distance, or as it is");
  with.unit();
  return [key = with.field("penalty:" + normalize.word)](const LossInput& in) {
    const auto [L, M] = in.integrals(row(Integrand::nll, 1 + in.field(key)), Integrand::weight);
    return in.mean_of_voxels(L, M);
  };
}

}  // namespace

Spec spec_dpce() {
  return {.name = "dpce",
          .family = Family::distribution,
          .summary = "Cross entropy that weighs voxels near a border more",
          .formula = "mean_i (1 + D_i) (-log p_y), D = 1 at the border of a class, 0 at its centre",
          .source = "Caliva et al. 2019; Ma 2020, Eq. 6",
          .helps =
              "borders between regions that are found anyway: voxels at a border count twice as much as those in the "
              "middle",
          .fails = "the imbalance of the classes stays, and the borders where raters disagree get the largest weight",
          .build = build,
          .geometric = true};
}

}  // namespace voxgrad::losses

// Generalised Dice: one ratio for all classes, in which rare classes have large weights.
//
//   L = mean over n of 1 - (2 sum_c w_c I_c + nr) / (sum_c w_c (P_c + G_c) + dr)      w_c = 1 / G_c^2
//
// Sudre et al., DLMIA 2017; Ma 2020, Eq. 11. The weights are constants. The weight of a class without truth would be
// infinite, and `absent` says what it is instead. This decides whether the loss trains at all: with absent=clamp such a
// class outweighs all others.
#include "losses/terms/region.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  return [gd = generalized_dice(with)](const LossInput& in) { return mean(gd(in)); };
}

}  // namespace

Spec spec_generalized_dice() {
  return {.name = "generalized_dice",
          .family = Family::region,
          .summary = "One Dice ratio for all classes, weighted by inverse size",
          .formula = "mean_n 1 - (2 sum_c w I + nr) / (sum_c w (P + G) + dr), w = 1/G^2",
          .source = "Sudre et al., DLMIA 2017; Ma 2020, Eq. 11",
          .helps = "several classes of very different size in every image",
          .fails =
              "a class absent from an image (with absent=clamp its weight swamps all others and nothing is learnt); "
              "smoothing is not small against w G in large volumes, smooth_nr=0,smooth_dr=1e-12 helps there",
          .build = build};
}

}  // namespace voxgrad::losses

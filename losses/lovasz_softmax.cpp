// The Lovasz extension of the Jaccard loss at the errors of the probabilities.
//
//   e_i = 1 - p_ic where the label is c, p_ic elsewhere, sorted: e_1 >= e_2 >= ..
//   L_c = sum_k e_k (J_k - J_(k-1)),  J_k = 1 - (G - f_k) / (G + k - f_k),  f_k: how many of the first k are in c
//
// Berman, Rannen Triki and Blaschko, CVPR 2018, Eq. 9 and 11. The loss is convex and piecewise linear in e, and
// equal to the Jaccard loss where all p are 0 or 1. It takes probabilities, although some public trainers feed logits.
#include "losses/terms/rank.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  return [lovasz = lovasz_extension(with, false, true, true)](const LossInput& in) {
    return lovasz(in, in.map(Integrand::error));
  };
}

}  // namespace

Spec spec_lovasz_softmax() {
  return {.name = "lovasz_softmax",
          .family = Family::region,
          .summary = "Lovasz extension of the Jaccard loss, on probabilities",
          .formula = "mean_c sum_k e_k (J_k - J_(k-1)), errors e in decreasing order",
          .source = "Berman et al., CVPR 2018, Eq. 11",
          .helps = "the Jaccard index itself is the goal, and the batch holds every class; good for fine-tuning",
          .fails =
              "alone from scratch it is slow to start; with classes=all an absent class only sees its worst voxel; it "
              "needs a sort of the voxels",
          .build = build,
          .soft_labels = false};
}

}  // namespace voxgrad::losses

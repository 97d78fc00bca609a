// The Lovasz extension of the Jaccard loss at the hinge errors of the logits.
//
//   m_i = max(0, 1 - s_i (2 t_i - 1)),  s the log-odds of the class, in decreasing order
//   L = sum_k m_k (J_k - J_(k-1)),  J as in lovasz_softmax.cpp
//
// Berman, Rannen Triki and Blaschko, CVPR 2018, Eq. 10, for two classes. The log-odds are the logit of one sigmoid
// channel, z_1 - z_0 of two channels, and log p_c - log(1 - p_c) of more channels, every class against the rest.
#include "losses/terms/rank.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  return [lovasz = lovasz_extension(with, true, false, false)](const LossInput& in) {
    return lovasz(in, in.hinge_errors());
  };
}

}  // namespace

Spec spec_lovasz_hinge() {
  return {.name = "lovasz_hinge",
          .family = Family::region,
          .summary = "Lovasz extension of the Jaccard loss, on hinge errors of the logits",
          .formula = "sum_k m_k (J_k - J_(k-1)), m = max(0, 1 - s (2 t - 1)) in decreasing order, s log-odds",
          .source = "Berman et al., CVPR 2018, Eq. 10",
          .helps = "two classes; the gradient does not vanish for voxels that are confidently wrong",
          .fails =
              "the scale of the logits matters, they are no probabilities; an image without the class only sees its "
              "worst voxel",
          .build = build,
          .soft_labels = false};
}

}  // namespace voxgrad::losses

// The Lovasz extension of the Jaccard loss, at the hinge errors of the logits.
//
//   m_i = max(0, 1 - s_i (2 t_i - 1)),  s the log-odds of the class, in decreasing order
//   L = sum_k m_k (J_k - J_(k-1)),  J as in lovasz_softmax.cpp
//
// Berman, Rannen Triki and Blaschko, CVPR 2018, Eq. 10, for two classes. The log-odds are the logit of one sigmoid
// channel and z_1 - z_0 of two channels; of more channels log p_c - log(1 - p_c), every class against the rest.
#include <algorithm>

#include "losses/core/lovasz.h"

namespace voxgrad::losses {
namespace {

// 1 - 2 t of the last `width` classes, [N, *S, width].
Tensor minus_signs(const LossInput& in, std::int64_t width) {
  const std::int64_t classes = std::max(in.channels(), 2);
  std::vector<double> table(static_cast<std::size_t>(classes * width), 1.0);
  for (std::int64_t k = 0; k < width; ++k) table[static_cast<std::size_t>((classes - width + k) * width + k)] = -1;
  return in.lookup(std::move(table), width);
}

Function build(const Parameters& with) {
  return [lovasz = Lovasz(with)](const LossInput& in) {
    const Tensor log_odds = in.log_odds();
    return lovasz(in, relu(1 + log_odds * minus_signs(in, log_odds.extent(-1))));
  };
}

}  // namespace

Spec spec_lovasz_hinge() {
  return {.name = "lovasz_hinge",
          .family = Family::region,
          .summary = "Lovasz extension of the Jaccard loss, on hinge errors of the logits",
          .formula = "sum_k m_k (J_k - J_(k-1)), m = max(0, 1 - s (2 t - 1)) in decreasing order, s log-odds",
          .source = "Berman et al., CVPR 2018, Eq. 10",
          .parameters = Lovasz::parameters(true, {"all", "present"}, false),
          .helps = "two classes; the gradient does not vanish for voxels that are confidently wrong",
          .fails =
              "the scale of the logits matters, they are no probabilities; an image without the class only sees its "
              "worst voxel",
          .build = build};
}

}  // namespace voxgrad::losses

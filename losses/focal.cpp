// Focal loss: a cross entropy in which a voxel counts less the better it is predicted.
//
//   L = 1/M sum_i w_y (1 - p_y)^gamma (-log p_y)      M voxels, p_y the probability of the true class y of voxel i
//
// Lin et al., ICCV 2017 (who divide by the number of positive anchors, not of voxels, and call the weights alpha);
// Ma 2020, Eq. 5. With gamma = 0 it is the cross entropy.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double gamma = with.number("gamma", 2, 0, 100, "how fast easy voxels fade; 0 is the cross entropy");
  with.weights("weight of a voxel by its true class (alpha of the paper)");
  return [=](const LossInput& in) {
    const auto [L, M] = in.integrals(row(Integrand::focal, gamma, in.class_weights()), Integrand::weight);
    return in.mean_of_voxels(L, M);
  };
}

}  // namespace

Spec spec_focal() {
  return {.name = "focal",
          .family = Family::distribution,
          .summary = "Cross entropy that fades for voxels that are already right",
          .formula = "mean_i w_y (1 - p_y)^gamma (-log p_y)",
          .source = "Lin et al., ICCV 2017; Ma 2020, Eq. 5",
          .helps =
              "many easy voxels: their mean no longer hides the few hard ones; gamma 2 leaves 1 % of the loss of a "
              "voxel with p_y = 0.9",
          .fails =
              "probabilities come out underconfident, and wrong labels get the most attention; large gammas have "
              "hardly any gradient left",
          .build = build};
}

}  // namespace voxgrad::losses

// Cross entropy of the voxels that are not yet right.
//
//   L = mean of l_i over the voxels with p_y < threshold        l_i = -log p of the true class y
//
// Wu et al. 2016 (online bootstrapping); Ma 2020, Eq. 4, whose text speaks of a threshold on the loss. The threshold is
// on the probability of the true class: p_y < t, or l > -log t. Without any such voxel the loss is 0.
#include <cmath>

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double threshold =
      with.number("threshold", 0.7, 1e-6, 1, "probability from which on a voxel is left out; 1 is ce");
  const double least = threshold < 1 ? -std::log(threshold) : -1;  // of ce every voxel counts, also one with l = 0
  return [=](const LossInput& in) {
    const auto [L, count] = in.integrals(row(Integrand::nll_above, least), row(Integrand::weight_above, least));
    return in.mean_of_voxels(L, count);
  };
}

}  // namespace

Spec spec_topk_threshold() {
  return {.name = "topk_threshold",
          .family = Family::distribution,
          .summary = "Cross entropy of the voxels whose true class is below a probability",
          .formula = "mean of -log p_y over the voxels with p_y < threshold",
          .source = "Wu et al. 2016; Ma 2020, Eq. 4",
          .helps = "many easy voxels: those above the threshold are left alone and stop drowning the hard ones",
          .fails =
              "wrong labels are the hardest voxels of all; how many voxels count changes from step to step, and none "
              "is the value 0",
          .build = build,
          .jumps = true};
}

}  // namespace voxgrad::losses

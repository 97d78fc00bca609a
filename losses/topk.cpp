// Cross entropy of the hardest voxels.
//
//   L = mean of the m largest l_i of the batch, m = max(1, floor(percent / 100 M))        l_i = -log p_y
//
// Wu et al. 2016 (online bootstrapping), as in nnU-Net. Ignored voxels do not count for M. The voxels are found by
// selection, not by sorting. Among equal losses the first ones are taken.
#include "losses/terms/rank.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const double percent = percent_of_voxels(with);
  return [=](const LossInput& in) {
    const Tensor losses = in.map(Integrand::nll);
    const HardestVoxels hardest = hardest_voxels(in, losses, percent);
    return sum(in.sums(losses * hardest.selected)) / hardest.count;
  };
}

}  // namespace

Spec spec_topk() {
  return {.name = "topk",
          .family = Family::distribution,
          .summary = "Cross entropy of the hardest percent of the voxels",
          .formula = "mean of the floor(percent / 100 M) largest -log p_y of the batch",
          .source = "Wu et al. 2016; Isensee et al. 2021",
          .helps = "imbalance and thin borders: the easy background gets no gradient at all",
          .fails =
              "wrong labels are the hardest voxels; probabilities are not calibrated; with a small percent few voxels "
              "decide",
          .build = build};
}

}  // namespace voxgrad::losses

// Average calibration error: the probabilities of a class are put into bins, and in every bin their mean should be the
// share of voxels that are of the class.
//
//   A[n, c] = mean over the bins b with voxels of |sum_b p - sum_b t| / M_b        M_b voxels in bin b
//   L = mean over n, c of A
//
// mL1-ACE with hard bins: Barfoot et al., MICCAI 2024 (arXiv 2403.06759) and arXiv 2506.03942, and the authors' code. A
// bin has p in (b / bins, (b + 1) / bins]. The gradient treats the bins as constant. The authors count classes without
// truth as 0 (absent=zero) and take equal shares of Dice, cross entropy and this: dice_ce+ace.
#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

Function build(Parameters& with) {
  const int bins = with.integer("bins", 20, 1, 200, "intervals of the probability, all of one width");
  with.background();
  with.absent();
  with.weights("factor of a class's loss");
  return [=](const LossInput& in) {
    const Tensor p = in.counted(in.probabilities()), t = in.counted(in.truth());
    Tensor bin;  // counted downwards, so that a bin has its upper end
    {
      const NoGrad constant;
      bin = clamp(affine(p, -bins, bins), 0, bins - 0.5).to(DType::i32);
    }
    const Tensor count = segment_sum(in.valid(), bin, bins), gap = abs(segment_sum(p - t, bin, bins));
    const Tensor filled = clamp(count, 0, 1);
    const Tensor A = sum(gap / clamp(count, 1, kInfinity), {1}) / clamp(sum(filled, {1}), 1, kInfinity);
    return in.mean_of_classes(A, in.sums(in.truth()));
  };
}

}  // namespace

Spec spec_ace() {
  return {.name = "ace",
          .family = Family::distribution,
          .summary = "Average calibration error over bins of the probability (mL1-ACE), to be added to another loss",
          .formula = "mean_nc mean_b |sum_b p - sum_b t| / M_b, b the bins of p with voxels",
          .source = "Barfoot et al., arXiv 2506.03942",
          .helps = "calibrated probabilities at the Dice of the loss that it is added to",
          .fails = "alone it is least where every voxel has the share of its class; it jumps when voxels change bins",
          .build = build,
          .jumps = true,
          .objective = false};
}

}  // namespace voxgrad::losses

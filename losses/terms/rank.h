// Terms that rank voxels. Their gradient treats the ranking as constant.
#pragma once

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {

// Declares `percent`, for the hardest voxels.
double percent_of_voxels(Parameters& with);
struct HardestVoxels {
  Tensor selected;  // 1 at these voxels, else 0
  double count;
};
// The floor(percent / 100 M) voxels of the batch, at least one, with the largest of `losses`.
[[nodiscard]] HardestVoxels hardest_voxels(const LossInput& in, const Tensor& losses, double percent);

// Mean over images and classes of sum_i errors_i slope_i, the errors [N, *S, C] of a class in decreasing order: the
// Lovasz extension of the Jaccard loss (losses/lovasz_softmax.cpp), differentiable with respect to the errors. Declares
// per_image, classes and background, with these defaults.
std::function<Tensor(const LossInput& in, const Tensor& errors)> lovasz_extension(Parameters& with, bool per_image,
                                                                                  bool present, bool background);

}  // namespace voxgrad::losses

// The hardest voxels of a batch, which topk and dice_topk average over.
#pragma once

#include <algorithm>
#include <cmath>

#include "losses/core/inputs.h"

namespace voxgrad::losses {

inline Parameter percent_parameter() {
  return number("percent", 10, 1e-6, 100, "share of the voxels that counts, at least one voxel; 100 is ce");
}

// Of every voxel -log p_y, 0 where it is ignored. Differentiable.
inline Tensor losses_of_voxels(const LossInput& in) { return in.map(to_row(Integrand::nll)); }

struct HardestVoxels {
  Tensor selected;  // 1 at these voxels, else 0
  double count;
};
// The floor(percent / 100 M) voxels of the batch, at least one, with the largest of `losses`, found by selection. Which
// voxels these are is taken as constant.
inline HardestVoxels hardest_voxels(const LossInput& in, const Tensor& losses, double percent) {
  const double count = std::max(1.0, std::floor(in.valid_voxels() * percent / 100));
  return {select_largest(losses.detach(), static_cast<std::int64_t>(count)), count};
}

}  // namespace voxgrad::losses

// The hardest voxels of a batch, which topk and dice_topk average over.
#pragma once

#include <algorithm>
#include <cmath>

#include "losses/core/inputs.h"

namespace voxgrad::losses {

inline Parameter percent_parameter() {
  return number("percent", 10, 1e-6, 100, "share of the voxels that counts, at least one voxel; 100 is ce");
}

struct HardestVoxels {
  Integral losses;  // the row whose integral is the sum of their -log p_y
  double count;
};
// The floor(percent / 100 M) voxels of the batch, at least one, with the largest -log p_y, found by selection. Which
// voxels these are is taken as constant.
inline HardestVoxels hardest_voxels(const LossInput& in, double percent) {
  const NoGrad constant;
  const double valid = sum(in.integrals(Integrand::weight)[0]).item();
  const double count = std::max(1.0, std::floor(valid * percent / 100));
  Integral losses = to_row(Integrand::nll);
  losses.field = select_largest(in.map(losses), static_cast<std::int64_t>(count));
  return {losses, count};
}

}  // namespace voxgrad::losses

// How often the voxels of two masks agree and differ.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// Voxels of one class in one case: S is the prediction, G the truth.
struct Overlap {
  std::int64_t tp = 0;  // in S and G
  std::int64_t fp = 0;  // in S only
  std::int64_t fn = 0;  // in G only
  std::int64_t tn = 0;  // in neither
};

// Counts of every class 0 .. classes - 1. Both tensors are u8 of one shape, on the CPU. Voxels whose truth is `ignore`
// are left out. Error(data) for a label that is neither < classes nor ignored.
[[nodiscard]] std::vector<Overlap> count_overlap(const Tensor& prediction, const Tensor& truth, std::int64_t classes,
                                                 int ignore = -1);

}  // namespace voxgrad::losses

// The connected objects of a mask, with the operations of the engine (engine/ops.h).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// Which voxels are neighbours: those that share a face (4 in 2-D, 6 in 3-D), or also an edge or a corner (8, 26).
enum class Connectivity { faces, corners };

struct Components {
  // For every voxel the number of its object, from 1 on in the order of their first voxels, or 0.
  std::vector<std::int32_t> labels;
  std::vector<std::int64_t> sizes;  // in voxels; sizes[0] counts the voxels of no object
  [[nodiscard]] std::int64_t count() const { return std::ssize(sizes) - 1; }
};

// The objects of the voxels of mask, u8 [*S] on the CPU, that have this value. The time is linear in the number of
// voxels, whatever the number of objects. Throws Error(data) for 2^31 voxels or more.
[[nodiscard]] Components connected_components(const Tensor& mask, Connectivity connectivity, std::uint8_t value = 1);

// For every voxel the number of the object that is nearest to it, the smallest if several are equally near; 0 if there
// is none. spacing is one number per axis, empty: 1.
[[nodiscard]] std::vector<std::int32_t> nearest_object(const Components& objects, const Shape& shape,
                                                       const std::vector<double>& spacing);

}  // namespace voxgrad::losses

// The shape of a mask: how many pieces, holes and cavities it has, and its inner border.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "losses/metrics/crop.h"

namespace voxgrad::losses {

// The Betti numbers of the union of the closed voxels of a mask: b0 objects (8 neighbours in 2-D, 26 in 3-D), b1 holes
// in 2-D and tunnels (handles) in 3-D, b2 cavities in 3-D, else 0. Holes and cavities are connected by faces only. The
// mask, u8 [*S] of 1 to 3 axes, needs an empty margin of one voxel. b0 - b1 + b2 is the Euler characteristic.
using Betti = std::array<std::int64_t, 3>;
[[nodiscard]] Betti betti_numbers(const Tensor& mask);

// IoU of the voxels of both masks that are within `width` millimetres of a voxel outside of their mask (Cheng et al.,
// CVPR 2021, with Euclidean distances). What lies outside of the image is outside of the mask. The masks need an empty
// margin of one voxel. NaN if both are empty. For objects thinner than twice the width it is their IoU.
[[nodiscard]] double boundary_iou(const Masks& masks, const std::vector<double>& spacing, double width);

}  // namespace voxgrad::losses

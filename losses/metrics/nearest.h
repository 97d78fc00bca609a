// Which object is the nearest one.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/shape.h"

namespace voxgrad::losses {

// For every voxel the label above 0 of the voxel nearest to it by the Euclidean distance of their centres, and the
// smallest of those labels if several are equally near; 0 if there is no label. `labels` has the given shape; spacing
// is one number per axis, empty: 1. The time is linear in the number of voxels (Felzenszwalb and Huttenlocher, Theory
// of Computing 2012, with the label carried along). Equal distances are recognised as such if the squared spacings and
// their multiples are exact in f64.
[[nodiscard]] std::vector<std::int32_t> nearest_object(const std::vector<std::int32_t>& labels, const Shape& shape,
                                                       const std::vector<double>& spacing);

}  // namespace voxgrad::losses

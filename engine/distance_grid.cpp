#include "engine/distance_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace voxgrad {

DistanceGrid::DistanceGrid(const Shape& shape, const std::vector<double>& spacing) : samples(shape[0]) {
  double finest = std::numeric_limits<double>::infinity();
  for (int axis = 1; axis < shape.dims(); ++axis) {
    if (shape[axis] == 1) continue;
    check(shape[axis] < 1 << 30, "distances: an axis of ", shape, " has 2^30 voxels or more");
    const std::size_t slot = axis + 1 == shape.dims() ? 2 : static_cast<std::size_t>(axis - 1);
    extent[slot] = shape[axis];
    step[slot] = nth(spacing, axis - 1);
    finest = std::min(finest, step[slot]);
  }
  if (measure_in(1)) return;
  for (int part = 1; part <= 8; ++part)
    if (measure_in(finest / part)) return;
  measure_in(finest);
}

bool DistanceGrid::measure_in(double length) {
  unit = length;
  double most = 0;
  whole = true;
  for (std::size_t i = 0; i < 3; ++i) {
    const double multiple = step[i] / unit, n = static_cast<double>(extent[i]);
    weight[i] = multiple * multiple;
    most += weight[i] * n * n;
    whole = whole && multiple == std::round(multiple) && multiple * unit == step[i];
  }
  return whole = whole && most < kFar;
}

}  // namespace voxgrad

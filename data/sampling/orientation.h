// Flips and turns by right angles. They move whole voxels, so labels stay exact.
#pragma once

#include <array>

#include "engine/tensor.h"

namespace voxgrad::data {

// A flip and a permutation of the spatial axes: an element of the symmetry group of the square or the cube.
class Orientation {
 public:
  explicit Orientation(int dims);
  void flip(int axis);
  // Turns by `turns` times 90 degrees from axis a to axis b, as numpy.rot90(x, turns, (a, b)) does.
  void rotate(int a, int b, int turns);
  bool identity() const;
  // Changes x in place. x is f32 or u8 with `dims` spatial axes, with or without an axis of channels behind them. Axes
  // that change places must have equal extents.
  void apply(const Tensor& x) const;

 private:
  int dims_;
  std::array<int, 3> axis_{0, 1, 2};  // axis_[i] is the axis of the input that becomes axis i of the result
  std::array<bool, 3> flipped_{};     // whether that axis then runs backwards
};

}  // namespace voxgrad::data

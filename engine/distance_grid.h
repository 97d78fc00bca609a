// How the backends measure distances on a map of labels [N, *S] (Backend::distance).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/shape.h"

namespace voxgrad {

// A map as a volume. A picture is one whose middle axis has a single voxel, so that the last pass is always along axis
// 0.
struct DistanceGrid {
  static constexpr std::int32_t kFar = 1 << 30;  // more than any square if they are whole

  std::int64_t samples;
  std::array<std::int64_t, 3> extent{1, 1, 1};
  std::array<double, 3> step{};  // spacing; 0 for an axis of one voxel
  double unit = 1;
  std::array<double, 3> weight{};  // squared spacing, in squares of the unit
  bool whole = false;              // all squares are integers of 32 bits

  DistanceGrid(const Shape& shape, const std::vector<double>& spacing);

 private:
  bool measure_in(double length);
};

}  // namespace voxgrad

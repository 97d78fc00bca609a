// The geometry that the backends share when they compute distances on a map of labels [N, *S] (Backend::distance).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/shape.h"

namespace voxgrad {

// The map as a volume. An image becomes a volume whose middle axis has a single voxel, so that the last pass always
// runs along axis 0.
struct DistanceGrid {
  static constexpr std::int32_t kFar = 1 << 30;  // larger than every squared distance if they are whole numbers

  std::int64_t samples;
  std::array<std::int64_t, 3> extent{1, 1, 1};
  std::array<double, 3> step{};    // the spacing; 0 for an axis of one voxel
  double unit = 1;                 // the length that distances are multiples of
  std::array<double, 3> weight{};  // the squared spacing, in squares of the unit
  bool whole = false;              // every squared distance is an integer of 32 bits

  DistanceGrid(const Shape& shape, const std::vector<double>& spacing);

 private:
  bool measure_in(double length);
};

}  // namespace voxgrad

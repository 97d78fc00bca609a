// Three spatial axes (depth, height, width) whatever an operation had: a plane is a volume of depth 1. Extents holds
// one value per axis.
#pragma once

#include <algorithm>

#include "engine/shape.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

inline std::int64_t volume(const Extents& extents) { return extents[0] * extents[1] * extents[2]; }

// The values of the last `axes` of three axes; those before them, which the operation did not have, get `missing`.
inline Extents three_axes(const std::int64_t* values, int axes, std::int64_t missing = 1) {
  Extents all(missing);
  std::copy(values, values + axes, all.value.end() - axes);
  return all;
}
// The spatial extents of a shape [.., *S, ..].
inline Extents three_axes(const Shape& shape) { return three_axes(shape.begin() + 1, shape.spatial_dims()); }
inline Extents three_axes(const Extents& option, int axes, std::int64_t missing = 1) {
  return three_axes(option.value.data(), axes, missing);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

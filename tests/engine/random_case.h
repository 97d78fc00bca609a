// Random shapes and tensors for generated tests. A case is a pure function of its number, which a failing test prints.
#pragma once

#include <vector>

#include "engine/ops.h"
#include "engine/random.h"

namespace voxgrad::test {

inline std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return low + random.below(high - low + 1);
}

// `dims` extents in low .. high.
inline Shape random_shape(Random& random, int dims, std::int64_t low, std::int64_t high) {
  Shape shape;
  for (int i = 0; i < dims; ++i) shape.push_back(between(random, low, high));
  return shape;
}

// [N, *S, C] with one to three spatial axes, small enough for finite differences.
inline Shape random_feature_map(Random& random, std::int64_t least = 1, std::int64_t channels = 4) {
  const int spatial = static_cast<int>(between(random, 1, 3));
  const std::int64_t most = least + (spatial == 3 ? 2 : spatial == 2 ? 4 : 7);
  Shape shape{between(random, 1, 2)};
  for (int i = 0; i < spatial; ++i) shape.push_back(between(random, least, most));
  shape.push_back(between(random, 1, channels));
  return shape;
}

inline Tensor normal(Random& random, const Shape& shape, DType dtype = DType::f64) {
  return random_normal(shape, random.bits64(), 0, 1, dtype);
}

inline Tensor uniform(Random& random, const Shape& shape, double low, double high, DType dtype = DType::f64) {
  return random_uniform(shape, random.bits64(), low, high, dtype);
}

// Integers in -range .. range as floats: sums of products are exact, so two algorithms must agree to the bit.
inline Tensor integers(Random& random, const Shape& shape, std::int64_t range, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& value : values) value = static_cast<double>(between(random, -range, range));
  return from_vector(shape, values).to(dtype);
}

}  // namespace voxgrad::test

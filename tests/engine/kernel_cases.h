// Generated inputs for the tests of kernels, and functions to compare their results.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/backend.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/tensor.h"
#include "tests/test.h"

namespace voxgrad::test {

inline Tensor noise(const Shape& shape, DType dtype, Random& random, double mean = 0, double deviation = 1) {
  const Tensor x = empty(shape, dtype);
  cpu_backend().random(Distribution::normal, random.bits64(), mean, deviation, x);
  return x;
}

// A map whose normalisation is deferred.
inline FeatureMap deferred(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma = {},
                           const Tensor& beta = {}, Activation activation = Activation::none, double slope = 0.01) {
  FeatureMap map(x);
  map.mean = mean, map.rstd = rstd, map.gamma = gamma, map.beta = beta;
  map.activation = activation, map.slope = slope;
  return map;
}

// A shape [N, *S, C] with 1 to 3 samples, 1 to 3 spatial axes and 1 to 70 channels. Some have a single voxel, others
// enough elements for several blocks of parallel work.
inline Shape odd_shape(Random& random, int dims = 0) {
  if (dims == 0) dims = static_cast<int>(1 + random.below(3));
  const std::int64_t kind = random.below(6);
  const std::int64_t most = kind == 0 ? 1 : kind == 1 ? (dims == 1 ? 3000 : dims == 2 ? 60 : 16) : 9;
  Shape shape{1 + random.below(3)};
  for (int i = 0; i < dims; ++i) shape.push_back(1 + random.below(most));
  shape.push_back(1 + random.below(70));
  return shape;
}

inline DType float_type(Random& random) { return random.chance(0.7) ? DType::f32 : DType::f64; }

inline std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

// The largest |a - b| / (1 + |b|). It is infinite if only one of a and b is NaN.
inline double difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) != std::isnan(b[i])) return INFINITY;
    if (std::isnan(a[i]) || a[i] == b[i]) continue;
    worst = std::max(worst, std::fabs(a[i] - b[i]) / (1 + std::fabs(b[i])));
  }
  return worst;
}

inline double tolerance(DType dtype) { return dtype == DType::f32 ? 2e-6 : 1e-12; }

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// True if the tensors that run() returns have the same bits with 1, 2 and 3 threads.
template <class F>
bool same_for_threads(const F& run) {
  const int before = threads();
  std::vector<std::vector<Tensor>> results;
  for (const int count : {1, 2, 3}) {
    set_threads(count);
    results.push_back(run());
  }
  set_threads(before);
  bool same = true;
  for (std::size_t i = 0; i < results[0].size(); ++i)
    same = same && same_bits(results[0][i], results[1][i]) && same_bits(results[0][i], results[2][i]);
  return same;
}

// The index of an element per axis, and the element at such an index, where axes of extent 1 are broadcast.
inline std::vector<std::int64_t> index_of(const Shape& shape, std::int64_t element) {
  std::vector<std::int64_t> index(static_cast<std::size_t>(shape.dims()));
  for (int axis = shape.dims() - 1; axis >= 0; --axis) {
    nth(index, axis) = element % shape[axis];
    element /= shape[axis];
  }
  return index;
}
inline std::int64_t element_at(const Shape& shape, const std::vector<std::int64_t>& index) {
  std::int64_t element = 0;
  const std::int64_t missing = std::ssize(index) - shape.dims();
  for (int axis = 0; axis < shape.dims(); ++axis) {
    const std::int64_t i = nth(index, missing + axis);
    element = element * shape[axis] + (shape[axis] == 1 ? 0 : i);
  }
  return element;
}

}  // namespace voxgrad::test

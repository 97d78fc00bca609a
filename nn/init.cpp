#include "nn/init.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ops.h"

namespace voxgrad::nn {
namespace {

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Makes independent rows orthonormal; there are at most as many rows as columns. Modified Gram-Schmidt runs twice,
// which leaves an error of a few roundings even if the rows are almost parallel. The diagonal of R is positive, so Q is
// uniformly distributed without a change of signs.
void orthonormalise(std::vector<double>& matrix, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i) {
    double* row = matrix.data() + i * columns;
    for (int pass = 0; pass < 2; ++pass)
      for (std::int64_t j = 0; j < i; ++j) {
        const double* earlier = matrix.data() + j * columns;
        const double projection = dot(row, earlier, columns);
        for (std::int64_t k = 0; k < columns; ++k) row[k] -= projection * earlier[k];
      }
    const double scale = 1 / std::sqrt(dot(row, row, columns));
    for (std::int64_t k = 0; k < columns; ++k) row[k] *= scale;
  }
}

}  // namespace

const std::vector<std::string>& init_names() {
  static const std::vector<std::string> names{"he", "orthogonal", "unset"};
  return names;
}

double gain_of(double slope) { return std::sqrt(2 / (1 + slope * slope)); }

Tensor he_normal(const Shape& shape, std::int64_t fan_in, double gain, const Random& random) {
  check(fan_in >= 1, "he_normal: fan_in must be at least 1, got ", fan_in, " for ", shape);
  return random_normal(shape, random.key(), 0, gain / std::sqrt(static_cast<double>(fan_in)), DType::f64);
}

Tensor orthogonal(const Shape& shape, double gain, const Random& random) {
  check(shape.dims() >= 2 && shape.numel() > 0, "orthogonal: needs a weight of two axes or more, got ", shape);
  const std::int64_t rows = shape[0], columns = shape.numel() / rows;
  const std::int64_t small = std::min(rows, columns), large = std::max(rows, columns);
  std::vector<double> q = random_normal(shape, random.key(), 0, 1, DType::f64).to_vector<double>();
  orthonormalise(q, small, large);
  std::vector<double> values;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t k = 0; k < columns; ++k)
      values.push_back(gain * nth(q, rows <= columns ? i * large + k : k * large + i));
  return from_vector(shape, values);
}

Tensor initial(const Shape& shape, Init init, std::int64_t fan_in, double gain, const Random& random) {
  if (init == Init::unset) return empty(shape);
  return init == Init::orthogonal ? orthogonal(shape, gain, random) : he_normal(shape, fan_in, gain, random);
}

}  // namespace voxgrad::nn

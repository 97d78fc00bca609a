#include "nn/init.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad::nn {
namespace {

void assign(const Tensor& weight, const Tensor& values) {
  const Tensor source = values.to(weight.dtype());
  weight.backend().copy(weight.raw(), weight.device(), source.raw(), Device::cpu, weight.bytes());
}

Tensor normal(const Tensor& weight, double deviation, const Random& random) {
  return random_normal(weight.shape(), random.key(), 0, deviation, DType::f64);
}

double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Orthonormal rows from independent ones (rows <= columns): modified Gram-Schmidt, twice, which leaves an error of a
// few roundings however close to each other the rows are. R has a positive diagonal, so Q is uniform as it stands.
void orthonormalise(std::vector<double>& matrix, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    double* row = matrix.data() + i * columns;
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t j = 0; j < i; ++j) {
        const double* earlier = matrix.data() + j * columns;
        const double projection = dot(row, earlier, columns);
        for (std::size_t k = 0; k < columns; ++k) row[k] -= projection * earlier[k];
      }
    const double scale = 1 / std::sqrt(dot(row, row, columns));
    for (std::size_t k = 0; k < columns; ++k) row[k] *= scale;
  }
}

}  // namespace

const std::vector<std::string>& init_names() {
  static const std::vector<std::string> names{"he", "orthogonal", "unset"};
  return names;
}

const char* name_of(Init init) { return init_names()[static_cast<std::size_t>(init)].c_str(); }

double gain_of(double slope) { return std::sqrt(2 / (1 + slope * slope)); }

void he_normal(const Tensor& weight, std::int64_t fan_in, double gain, const Random& random) {
  check(fan_in >= 1, "he_normal: fan_in must be at least 1, got ", fan_in, " for ", weight);
  assign(weight, normal(weight, gain / std::sqrt(static_cast<double>(fan_in)), random));
}

void orthogonal(const Tensor& weight, double gain, const Random& random) {
  check(weight.dims() >= 2 && weight.numel() > 0, "orthogonal: needs a weight of two axes or more, got ", weight);
  const std::size_t rows = static_cast<std::size_t>(weight.extent(0));
  const std::size_t columns = static_cast<std::size_t>(weight.numel()) / rows;
  const std::size_t small = std::min(rows, columns);
  const std::size_t large = std::max(rows, columns);
  std::vector<double> q = normal(weight, 1, random).to_vector<double>();
  orthonormalise(q, small, large);
  std::vector<double> values(q.size());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t k = 0; k < columns; ++k)
      values[i * columns + k] = gain * (rows <= columns ? q[i * large + k] : q[k * large + i]);
  assign(weight, from_vector(weight.shape(), values));
}

void initialise(const Tensor& weight, Init init, std::int64_t fan_in, double gain, const Random& random) {
  if (init == Init::orthogonal)
    orthogonal(weight, gain, random);
  else if (init == Init::he)
    he_normal(weight, fan_in, gain, random);
}

}  // namespace voxgrad::nn

// Operations on labels: a value for each label, and distances to a class.
#include <algorithm>
#include <cmath>

#include "engine/ops/common.h"

namespace voxgrad {

Tensor lookup(const Tensor& table, const Tensor& labels, DType dtype) {
  detail::check_label_map(labels, "lookup");
  check(table.defined() && table.dtype() == DType::f64 && table.dims() == 2 && table.device() == labels.device(),
        "lookup: the table must be f64 [labels, values] on ", labels.device(), ", got ", table);
  Tensor y = empty(detail::with_channels(labels, table.extent(1)), dtype, labels.device());
  detail::check_float(y, "lookup");
  labels.backend().lookup(table, labels, y);
  return y;
}

Tensor distance_transform(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                          DType dtype) {
  detail::check_label_map(labels, "distance_transform");
  const std::int64_t axes = labels.dims() - 1, samples = labels.extent(0), given = std::ssize(spacing);
  check(given == 0 || given == axes || given == axes * samples, "distance_transform: ", given, " spacings for ", axes,
        " spatial axes of ", samples, " samples");
  for (double s : spacing)
    check(s > 0 && std::isfinite(s), "distance_transform: the spacing must be positive, got ", s);
  for (int c : classes) check(c >= 0 && c <= 255, "distance_transform: class ", c, " is no label 0..255");
  check(dtype == DType::f32 || dtype == DType::f64, "distance_transform: gives f32 or f64, not ", dtype);
  Tensor y =
      empty(detail::with_channels(labels, std::max<std::int64_t>(1, std::ssize(classes))), dtype, labels.device());
  // All samples at once if they have the same spacing.
  const std::vector<double> all = given == 0 ? std::vector<double>(static_cast<std::size_t>(axes), 1.0) : spacing;
  const std::int64_t step = std::equal(all.begin() + axes, all.end(), all.begin()) ? samples : 1;
  for (std::int64_t n = 0; n < samples; n += step) {
    const auto part = [&](const Tensor& x) {
      return x.alias(n * x.shape().without(0).numel(), x.shape().with(0, step));
    };
    const auto first = all.begin() + n * axes;
    labels.backend().distance(part(labels), classes, {first, first + axes}, part(y));
  }
  return y;
}

}  // namespace voxgrad

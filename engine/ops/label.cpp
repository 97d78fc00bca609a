// Operations on labels, and on ranks and neighbourhoods of voxels; what losses with geometry or sorting need.
#include <cmath>

#include "engine/ops/common.h"

namespace voxgrad {
namespace {

void check_label_map(const Tensor& labels, const char* op) {
  check(labels.defined() && labels.dtype() == DType::u8 && labels.dims() >= 2 && labels.dims() <= 4, op,
        ": takes u8 labels [N, *S] with 1 to 3 spatial axes, got ", labels);
}

Shape with_channels(const Tensor& labels, std::int64_t channels) {
  Shape shape = labels.shape();
  shape.push_back(channels);
  return shape;
}

Tensor neighbours(ReduceOp op, const char* name, const Tensor& x, int axis) {
  check(axis >= 1 && axis <= x.dims() - 2, name, ": ", axis, " is no spatial axis of ", x.shape());
  Tensor y = empty_like(x);
  x.backend().neighbours(op, axis, x, y);
  return record(y, {{x, [x = x.detach(), op, axis](const Tensor& dy) {
                       Tensor dx = empty_like(x);
                       x.backend().neighbours_gradient(op, axis, x, dy, dx);
                       return dx;
                     }}});
}

Tensor neighbours(ReduceOp op, const char* name, const Tensor& x, const std::vector<int>& axes) {
  detail::check_feature_map(x, name);
  Tensor y = x;
  for (int axis : axes) y = neighbours(op, name, y, axis);
  return y;
}

}  // namespace

Tensor lookup(const Tensor& table, const Tensor& labels, DType dtype) {
  check_label_map(labels, "lookup");
  check(table.defined() && table.dtype() == DType::f64 && table.dims() == 2 && table.device() == labels.device(),
        "lookup: the table must be f64 [labels, values] on ", labels.device(), ", got ", table);
  Tensor y = empty(with_channels(labels, table.extent(1)), dtype, labels.device());
  detail::check_float(y, "lookup");
  labels.backend().lookup(table, labels, y);
  return y;
}

Tensor distance_transform(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                          DType dtype) {
  check_label_map(labels, "distance_transform");
  const auto axes = static_cast<std::size_t>(labels.dims() - 1);
  check(spacing.empty() || spacing.size() == axes, "distance_transform: ", spacing.size(), " spacings for ", axes,
        " spatial axes");
  for (double s : spacing)
    check(s > 0 && std::isfinite(s), "distance_transform: the spacing must be positive, got ", s);
  for (int c : classes) check(c >= 0 && c <= 255, "distance_transform: class ", c, " is no label 0..255");
  check(dtype == DType::f32 || dtype == DType::f64, "distance_transform: gives f32 or f64, not ", dtype);
  Tensor y = empty(with_channels(labels, std::max<std::int64_t>(1, std::ssize(classes))), dtype, labels.device());
  labels.backend().distance(labels, classes, spacing.empty() ? std::vector<double>(axes, 1.0) : spacing, y);
  return y;
}

Tensor dilate(const Tensor& x, const std::vector<int>& axes) { return neighbours(ReduceOp::max, "dilate", x, axes); }
Tensor erode(const Tensor& x, const std::vector<int>& axes) { return neighbours(ReduceOp::min, "erode", x, axes); }

Tensor select_largest(const Tensor& x, std::int64_t count) {
  detail::check_float(x, "select_largest");
  check(count >= 0 && count <= x.numel(), "select_largest: ", count, " of ", x.numel(), " elements");
  Tensor y = empty_like(x);
  x.backend().select_largest(x, count, y);
  return y;
}

Tensor lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore) {
  detail::check_feature_map(errors, "lovasz_slope");
  check_label_map(labels, "lovasz_slope");
  check(with_channels(labels, errors.extent(-1)) == errors.shape() && labels.device() == errors.device(),
        "lovasz_slope: errors ", errors, " and labels ", labels, " do not fit");
  Tensor y = empty_like(errors);
  errors.backend().lovasz_slope(errors, labels, per_image, ignore, y);
  return y;
}

}  // namespace voxgrad

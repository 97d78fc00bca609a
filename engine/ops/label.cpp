// Operations on labels: a value for each label, distances to a class, objects, and sums over numbered parts.
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

namespace {

// Calls f(part, steps) for all samples of x at once if they have the same spacing, else for each of them. `part`
// returns these samples of a tensor. `spacing` is empty, per spatial axis, or that of each sample after the other.
template <class F>
void for_each_spacing(const Tensor& x, std::int64_t axes, const std::vector<double>& spacing, const char* op, F&& f) {
  const std::int64_t samples = x.extent(0), given = std::ssize(spacing);
  check(given == 0 || given == axes || given == axes * samples, op, ": ", given, " spacings for ", axes,
        " spatial axes of ", samples, " samples");
  for (double s : spacing) check(s > 0 && std::isfinite(s), op, ": the spacing must be positive, got ", s);
  const std::vector<double> all = given == 0 ? std::vector<double>(static_cast<std::size_t>(axes), 1.0) : spacing;
  const std::int64_t step = std::equal(all.begin() + axes, all.end(), all.begin()) ? samples : 1;
  for (std::int64_t n = 0; n < samples; n += step) {
    const auto part = [&](const Tensor& y) {
      return y.alias(n * y.shape().without(0).numel(), y.shape().with(0, step));
    };
    const auto first = all.begin() + (given == axes * samples ? n * axes : 0);
    f(part, std::vector<double>(first, first + axes));
  }
}

void check_classes(const std::vector<int>& classes, const char* op) {
  for (int c : classes) check(c >= 0 && c <= 255, op, ": class ", c, " is no label 0..255");
}

void check_ids(const Tensor& ids, const char* op) {
  check(ids.defined() && ids.dtype() == DType::i32 && ids.dims() >= 3 && ids.dims() <= 5, op,
        ": takes i32 ids [N, *S, K], got ", ids);
}

}  // namespace

Tensor distance_transform(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                          DType dtype) {
  detail::check_label_map(labels, "distance_transform");
  check_classes(classes, "distance_transform");
  check(dtype == DType::f32 || dtype == DType::f64, "distance_transform: gives f32 or f64, not ", dtype);
  Tensor y =
      empty(detail::with_channels(labels, std::max<std::int64_t>(1, std::ssize(classes))), dtype, labels.device());
  for_each_spacing(labels, labels.dims() - 1, spacing, "distance_transform",
                   [&](const auto& part, const std::vector<double>& steps) {
                     labels.backend().distance(part(labels), classes, steps, part(y));
                   });
  return y;
}

Tensor connected_components(const Tensor& labels, const std::vector<int>& classes, int connectivity) {
  detail::check_label_map(labels, "connected_components");
  check_classes(classes, "connected_components");
  const int axes = labels.dims() - 1;
  check(connectivity >= 0 && connectivity <= axes, "connected_components: connectivity ", connectivity, " of ", axes,
        " spatial axes");
  check(labels.numel() < std::int64_t{1} << 31, "connected_components: takes less than 2^31 voxels, got ", labels);
  Tensor y = empty(detail::with_channels(labels, std::ssize(classes)), DType::i32, labels.device());
  labels.backend().components(labels, classes, connectivity == 0 ? axes : connectivity, y);
  return y;
}

Tensor nearest_component(const Tensor& ids, const std::vector<double>& spacing) {
  check_ids(ids, "nearest_component");
  Tensor y = empty_like(ids);
  for_each_spacing(
      ids, ids.dims() - 2, spacing, "nearest_component",
      [&](const auto& part, const std::vector<double>& steps) { ids.backend().nearest(part(ids), steps, part(y)); });
  return y;
}

Tensor skeleton(const Tensor& mask) {
  detail::check_label_map(mask, "skeleton");
  Tensor y = empty_like(mask);
  mask.backend().skeleton(mask, y);
  return y;
}

Tensor segment_sum(const Tensor& x, const Tensor& ids, std::int64_t segments) {
  detail::check_feature_map(x, "segment_sum");
  check_ids(ids, "segment_sum");
  check(ids.device() == x.device() && (x.shape() == ids.shape() || x.shape() == ids.shape().with(-1, 1)),
        "segment_sum: x ", x, " and ids ", ids, " do not fit");
  check(segments >= 0, "segment_sum: ", segments, " segments");
  Tensor y = empty({ids.extent(0), segments, ids.extent(-1)}, DType::f64, x.device());
  x.backend().segment_sum(x, ids, y);
  return record("segment_sum", y, {{x, [x = x.detach(), ids](const Tensor& dy) {
                                      Tensor dx = empty_like(x);
                                      x.backend().segment_sum_gradient(ids, dy, dx);
                                      return dx;
                                    }}});
}

}  // namespace voxgrad

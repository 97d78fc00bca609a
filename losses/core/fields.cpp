#include "losses/core/fields.h"

#include <algorithm>
#include <limits>
#include <span>

#include "engine/names.h"
#include "engine/ops.h"

namespace voxgrad::losses {
namespace {

std::vector<int> spatial_axes(const Tensor& x) {
  std::vector<int> axes;
  for (int axis = 1; axis + 1 < x.dims(); ++axis) axes.push_back(axis);
  return axes;
}

// t [N, *S, K]: 1 in the channel of the label, else 0.
Tensor one_hot(const Tensor& labels, const std::vector<int>& classes, DType dtype) {
  const std::int64_t width = std::ssize(classes), rows = classes.back() + 1;
  Tensor table = zeros({rows, width}, DType::f64);
  for (std::int64_t k = 0; k < width; ++k) table.data<double>()[classes[static_cast<std::size_t>(k)] * width + k] = 1;
  return lookup(table.to(labels.device()), labels, dtype);
}

// t without the voxels that share a face with the other side.
Tensor without_rim(const Tensor& t) {
  Tensor inner = t;
  for (int axis : spatial_axes(t)) inner = minimum(inner, erode(t, {axis}));
  return inner;
}

Tensor border(const Tensor& t) {
  Tensor inner = t;
  for (int axis : spatial_axes(t)) {
    const Tensor edge = zeros(t.shape().with(axis, 1), t.dtype(), t.device());
    const Tensor eroded = erode(concat({edge, t, edge}, axis), {axis});
    inner = minimum(inner, slice(eroded, axis, 1, t.extent(axis) + 1));
  }
  return t - inner;
}

Tensor tube(const std::string& kind, const Tensor& t) {
  const int last = t.dims() - 1;
  const Tensor foreground = t.extent(-1) == 1 ? t : sum(slice(t, last, 1, t.extent(-1)), {last}, true);
  const Shape space(std::span(t.shape().begin(), t.shape().end() - 1));
  Tensor wide = reshape(skeleton(reshape(foreground, space).to(DType::u8)).to(t.dtype()), foreground.shape());
  for (int round = 0; round < (kind == "tube" ? 2 : 0); ++round) {
    const Tensor before = wide;
    for (int axis : spatial_axes(t)) wide = maximum(wide, dilate(before, {axis}));
  }
  return wide * t;
}

// Of every class but the background, whose channel is 0.
Tensor objects(const std::string& family, const Tensor& labels, std::int64_t channels,
               const std::vector<double>& spacing, DType dtype) {
  std::vector<int> classes = {1};
  while (std::ssize(classes) + 1 < channels) classes.push_back(classes.back() + 1);
  const Tensor ids = connected_components(labels, classes);
  const Tensor numbers = (family == "cells" ? nearest_component(ids, spacing) : ids).to(dtype);
  return channels == 1 ? numbers : concat({zeros(ids.shape().with(-1, 1), dtype, ids.device()), numbers}, -1);
}

Tensor region(const Tensor& d, const Tensor& t) {
  const Tensor inside = d * t;
  return 1 - t - inside / clamp(max(inside, spatial_axes(t), true), 1e-30, std::numeric_limits<double>::infinity());
}

Tensor signed_distance(const std::string& kind, const Tensor& d, const Tensor& t, const std::vector<double>& spacing) {
  if (kind == "zero_inner") return d * (1 - t - without_rim(t));
  const Tensor plain = d * (1 - 2 * t);
  if (kind == "plain") return plain;
  const double voxel = spacing.empty() ? 1 : *std::min_element(spacing.begin(), spacing.end());
  return plain + voxel * t * (1 - min(t, spatial_axes(t), true));
}

// d [N, *S, 1] is the distance to any other class; t is [N, *S, K].
Tensor penalty(const std::string& kind, const Tensor& d, const Tensor& t) {
  constexpr double kOutside = 1e30;  // larger than every distance
  const std::vector<int> axes = spatial_axes(t);
  const Tensor furthest = max(d * t, axes, true), nearest = min(d * t + kOutside * (1 - t), axes, true);
  std::vector<double> top = furthest.to_vector<double>(), span(top.size(), 1.0);
  const std::vector<double> low = nearest.to_vector<double>();
  for (std::size_t i = 0; i < top.size(); ++i) {
    if (top[i] == 0) continue;  // the class is absent, or it is the only one
    if (kind == "max") span[i] = top[i];
    if (kind == "range" && top[i] > low[i]) span[i] = top[i] - low[i];
    if (kind == "range" && top[i] == low[i]) top[i] += span[i] = low[i];  // so that every voxel gets 1
  }
  const auto like_furthest = [&](const std::vector<double>& values) {
    return from_vector(furthest.shape(), values).to(t.dtype()).to(t.device());
  };
  return sum(t * ((like_furthest(top) - d) / like_furthest(span)), {t.dims() - 1}, true);
}

}  // namespace

const std::vector<std::string>& field_keys() {
  static const std::vector<std::string> keys = {"distance",    "signed:kervadec", "signed:plain",  "signed:zero_inner",
                                                "border",      "skeleton:line",   "skeleton:tube", "components",
                                                "cells",       "region",          "penalty:range", "penalty:max",
                                                "penalty:none"};
  return keys;
}

Tensor make_field(const std::string& key, const Tensor& labels, std::int64_t channels,
                  const std::vector<double>& spacing, DType dtype) {
  choose("field", key, field_keys());
  check(channels >= 1 && channels <= 256, "make_field: ", channels, " channels, 1 to 256 are possible");
  std::vector<int> classes;  // the classes that have a channel
  for (int c = channels == 1 ? 1 : 0; c < std::max<std::int64_t>(channels, 2); ++c) classes.push_back(c);
  const std::size_t colon = key.find(':');
  const std::string family = key.substr(0, colon), kind = colon == std::string::npos ? "" : key.substr(colon + 1);
  if (family == "penalty") {
    if (channels == 1) classes = {0, 1};
    return penalty(kind, distance_transform(labels, {}, spacing, dtype), one_hot(labels, classes, dtype));
  }
  if (family == "components" || family == "cells") return objects(family, labels, channels, spacing, dtype);
  const Tensor t = family == "distance" ? Tensor() : one_hot(labels, classes, dtype);
  if (family == "border") return border(t);
  if (family == "skeleton") return tube(kind, t);
  const Tensor d = distance_transform(labels, classes, spacing, dtype);
  if (family == "region") return region(d, t);
  return family == "signed" ? signed_distance(kind, d, t, spacing) : d;
}

}  // namespace voxgrad::losses

#include "losses/core/fields.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "engine/names.h"
#include "engine/ops.h"
#include "losses/core/parameters.h"

namespace voxgrad::losses {
namespace {

std::vector<int> spatial_axes(const Tensor& x) {
  std::vector<int> axes;
  for (int axis = 1; axis + 1 < x.dims(); ++axis) axes.push_back(axis);
  return axes;
}

// d of every class, [N, *S, K], and the smallest spacing of each sample, [N, 1, .., 1], in the unit of d.
struct Distances {
  Tensor d, step;
};

// Distances are computed in units of the smallest spacing, where most spacings are whole numbers.
Distances measure(const Tensor& labels, const std::vector<int>& classes, const Measure& how, DType dtype) {
  const std::int64_t axes = labels.dims() - 1;
  std::vector<double> spacing = how.spacing, steps;
  if (spacing.empty()) spacing.assign(static_cast<std::size_t>(axes), 1);
  for (auto first = spacing.begin(); spacing.end() - first >= axes; first += axes) {
    const double finest = *std::min_element(first, first + axes);
    double mean = 1;
    std::for_each(first, first + axes,
                  [&](double& s) { mean *= std::pow(s /= finest, 1 / static_cast<double>(axes)); });
    steps.push_back(how.millimetres ? finest : 1 / mean);
  }
  const Shape single = Shape::filled(labels.dims() + 1, 1).with(0, std::ssize(steps));
  Distances to{{}, from_vector(single, steps).to(dtype).to(labels.device())};
  if (how.ignore < 0) {
    to.d = distance_transform(labels, classes, spacing, dtype);
  } else {  // a class and the rest have a border each, because ignored voxels may lie between them
    std::vector<Tensor> parts;
    for (const int c : classes) {
      const Tensor known = one_hot(labels, {how.ignore, c}, dtype);
      const Tensor sides = argmax(concat({full(known.shape().with(-1, 1), 0.5, dtype, known.device()), known}, -1));
      const Tensor d = distance_transform(sides, {2, 0}, spacing, dtype);
      parts.push_back(sum(d * one_hot(sides, {0, 2}, dtype), {d.dims() - 1}, true));
    }
    to.d = concat(parts, -1);
  }
  if (std::any_of(steps.begin(), steps.end(), [](double step) { return step != 1; })) to.d = to.d * to.step;
  return to;
}

// t and rest [N, *S, K] are 1 inside of a class and outside of it; both are 0 at ignored voxels.
Tensor signed_distance(const std::string& kind, const Distances& to, const Tensor& t, const Tensor& rest) {
  if (kind == "plain") return to.d * (rest - t);
  if (kind == "kervadec") return to.d * (rest - t) + to.step * t * max(rest, spatial_axes(t), true);
  Tensor touched = rest;  // zero_inner: and the voxels that share a face with the rest
  for (int axis : spatial_axes(t)) touched = maximum(touched, dilate(rest, {axis}));
  return to.d * (rest - t * (1 - touched));
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

// t is [N, *S, K], and d as well or [N, *S, 1].
Tensor penalty(const std::string& kind, const Tensor& d, const Tensor& t) {
  constexpr double kOutside = 1e30;  // larger than every distance
  const std::vector<int> axes = spatial_axes(t);
  const Tensor furthest = max(d * t, axes, true);
  Tensor part = furthest - d, span = furthest;
  if (kind == "range") span = furthest - min(d * t + kOutside * (1 - t), axes, true);
  if (kind != "none") {  // a region whose voxels all have the same d > 0 has the penalty 1
    const auto positive = [](const Tensor& x) { return clamp(1e30 * x, 0, 1); };
    part = (part + positive(furthest) * (1 - positive(span))) / (span + (1 - positive(span)));
  }
  return sum(t * part, {t.dims() - 1}, true);
}

}  // namespace

const std::vector<std::string>& field_keys() {
  static const std::vector<std::string> keys = {"distance",    "signed:kervadec", "signed:plain",  "signed:zero_inner",
                                                "border",      "skeleton:line",   "skeleton:tube", "components",
                                                "cells",       "region",          "penalty:range", "penalty:max",
                                                "penalty:none"};
  return keys;
}

Tensor one_hot(const Tensor& labels, const std::vector<int>& classes, DType dtype) {
  const std::int64_t width = std::ssize(classes), rows = *std::max_element(classes.begin(), classes.end()) + 1;
  Tensor table = zeros({rows, width}, DType::f64);
  for (std::int64_t k = 0; k < width; ++k) table.data<double>()[nth(classes, k) * width + k] = 1;
  return lookup(table.to(labels.device()), labels, dtype);
}

Tensor border_distances(const Tensor& labels, const std::vector<int>& classes, const Measure& how, DType dtype) {
  return measure(labels, classes, how, dtype).d;
}

Tensor make_field(const std::string& key, const Tensor& labels, std::int64_t channels,
                  const std::vector<double>& spacing, DType dtype, int ignore) {
  const Measure how{spacing, key.ends_with(kMillimetres), ignore};
  const std::string name = key.substr(0, key.size() - (how.millimetres ? std::strlen(kMillimetres) : 0));
  choose("field", name, field_keys());
  check(channels >= 1 && channels <= 256, "make_field: ", channels, " channels, 1 to 256 are possible");
  const std::size_t colon = std::min(name.find(':'), name.size());
  const std::string family = name.substr(0, colon), kind = name.substr(std::min(colon + 1, name.size()));
  std::vector<int> classes;  // that have a channel in the map; every class has a penalty
  for (int c = channels == 1 && family != "penalty" ? 1 : 0; c < std::max<std::int64_t>(channels, 2); ++c)
    classes.push_back(c);
  if (family == "components" || family == "cells") return objects(family, labels, channels, spacing, dtype);
  const auto known = [&](const Tensor& map) { return ignore < 0 ? map : map * (1 - one_hot(labels, {ignore}, dtype)); };
  const Tensor t = known(one_hot(labels, classes, dtype));  // a class may be what is ignored
  if (family == "border") return border(t);
  if (family == "skeleton") return tube(kind, t);
  // Without ignored voxels the distance to any other class is that of a voxel's own class, and one transform is enough.
  const bool single = family == "penalty" && ignore < 0;
  const Distances to = measure(labels, single ? std::vector<int>{} : classes, how, dtype);
  if (family == "distance") return to.d;
  if (family == "region") return region(to.d, t);
  if (family == "penalty") return penalty(kind, to.d, t);
  return signed_distance(kind, to, t, known(1 - t));
}

}  // namespace voxgrad::losses

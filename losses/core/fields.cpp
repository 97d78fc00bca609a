#include "losses/core/fields.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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

// t [N, *S, K]: 1 in the channel of the label, else 0.
Tensor one_hot(const Tensor& labels, const std::vector<int>& classes, DType dtype) {
  const std::int64_t width = std::ssize(classes), rows = *std::max_element(classes.begin(), classes.end()) + 1;
  Tensor table = zeros({rows, width}, DType::f64);
  for (std::int64_t k = 0; k < width; ++k) table.data<double>()[nth(classes, k) * width + k] = 1;
  return lookup(table.to(labels.device()), labels, dtype);
}

// The distances of samples with one spacing, and how long its smallest step is in their unit.
struct Distances {
  Tensor d;  // [N, *S, K]
  double step;
};

// Distances are computed in units of the smallest step, where most spacings are whole numbers.
Distances measure(const Tensor& labels, const std::vector<int>& classes, std::vector<double> spacing,
                  const Measure& how, DType dtype) {
  const double finest = *std::min_element(spacing.begin(), spacing.end());
  check(finest > 0, "distances: a spacing of ", finest);
  double mean = 1;
  for (double& step : spacing) mean *= std::pow(step /= finest, 1 / static_cast<double>(spacing.size()));
  Distances result{{}, how.millimetres ? finest : 1 / mean};
  if (how.ignore < 0) {
    result.d = distance_transform(labels, classes, spacing, dtype);
  } else {  // a class and the rest have a border each, because ignored voxels may lie between them
    std::vector<Tensor> parts;
    for (const int c : classes) {
      const Tensor known = one_hot(labels, {how.ignore, c}, dtype);
      const Tensor sides = argmax(concat({full(known.shape().with(-1, 1), 0.5, dtype, known.device()), known}, -1));
      const Tensor d = distance_transform(sides, {2, 0}, spacing, dtype);
      parts.push_back(sum(d * one_hot(sides, {0, 2}, dtype), {d.dims() - 1}, true));
    }
    result.d = concat(parts, -1);
  }
  if (result.step != 1) result.d = result.d * result.step;
  return result;
}

// f(labels, spacing per axis) of the batch, or of each sample by itself if their spacings differ.
template <class F>
Tensor by_spacing(const Tensor& labels, std::vector<double> spacing, const F& f) {
  const std::int64_t axes = labels.dims() - 1, samples = labels.extent(0);
  if (spacing.empty()) spacing.assign(static_cast<std::size_t>(axes), 1);
  check(std::ssize(spacing) == axes || std::ssize(spacing) == axes * samples, "distances: ", spacing.size(),
        " spacings for labels ", labels);
  const auto part = [&](std::int64_t n) {
    return std::vector<double>(spacing.begin() + n * axes, spacing.begin() + (n + 1) * axes);
  };
  if (std::equal(spacing.begin() + axes, spacing.end(), spacing.begin())) return f(labels, part(0));
  std::vector<Tensor> parts;
  for (std::int64_t n = 0; n < samples; ++n) parts.push_back(f(slice(labels, 0, n, n + 1), part(n)));
  return concat(parts, 0);
}

// t and rest [N, *S, K] are 1 inside of a class and outside of it; both are 0 at ignored voxels.
Tensor signed_distance(const std::string& kind, const Distances& to, const Tensor& t, const Tensor& rest) {
  if (kind == "plain") return to.d * (rest - t);
  if (kind == "kervadec") return to.d * (rest - t) + to.step * t * max(rest, spatial_axes(t), true);
  Tensor touched = rest;  // zero_inner: and the voxels that share a face with the rest
  for (int axis : spatial_axes(t)) touched = maximum(touched, dilate(rest, {axis}));
  return to.d * (rest - t * (1 - touched));
}

// d and t are [N, *S, K].
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
  static const std::vector<std::string> keys = {"distance",      "signed:kervadec", "signed:plain", "signed:zero_inner",
                                                "penalty:range", "penalty:max",     "penalty:none"};
  return keys;
}

Tensor border_distances(const Tensor& labels, const std::vector<int>& classes, const Measure& how, DType dtype) {
  return by_spacing(labels, how.spacing, [&](const Tensor& part, const std::vector<double>& spacing) {
    return measure(part, classes, spacing, how, dtype).d;
  });
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
  return by_spacing(labels, spacing, [&](const Tensor& part, const std::vector<double>& steps) {
    const Distances to = measure(part, classes, steps, how, dtype);
    if (family == "distance") return to.d;
    const Tensor t = one_hot(part, classes, dtype);
    if (family == "penalty") return penalty(kind, to.d, t);
    return signed_distance(kind, to, t, ignore < 0 ? 1 - t : 1 - t - one_hot(part, {ignore}, dtype));
  });
}

}  // namespace voxgrad::losses

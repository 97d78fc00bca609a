#include "losses/metrics/surface.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "losses/metrics/aggregate.h"
#include "losses/metrics/crop.h"

namespace voxgrad::losses {
namespace {

// The mask without its erosion by one layer of voxels.
Tensor border_of(const Tensor& mask) {
  const Tensor border = empty(mask.shape(), DType::u8);
  const Lines lines(mask.shape());
  const std::int64_t n = lines.length;
  parallel_for(lines.count, lines.grain(), [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> inside(static_cast<std::size_t>(n));
    for (std::int64_t line = begin; line < end; ++line) {
      const std::uint8_t* m = mask.data<std::uint8_t>() + line * n;
      std::uint8_t* to = border.data<std::uint8_t>() + line * n;
      for (std::int64_t i = 0; i < n; ++i)
        inside[static_cast<std::size_t>(i)] = i > 0 && i + 1 < n && (m[i - 1] & m[i + 1]) != 0;
      const Shape at = lines.at(line);
      std::int64_t stride = n;
      for (int axis = at.dims() - 2; axis >= 0; stride *= lines.shape[axis--]) {
        const bool edge = at[axis] == 0 || at[axis] + 1 == lines.shape[axis];
        for (std::int64_t i = 0; i < n; ++i)
          inside[static_cast<std::size_t>(i)] &= edge ? std::uint8_t{0} : m[i - stride] & m[i + stride];
      }
      for (std::int64_t i = 0; i < n; ++i) to[i] = m[i] & (inside[static_cast<std::size_t>(i)] ^ 1);
    }
  });
  return border;
}

bool any(const Tensor& mask) {
  return std::memchr(mask.data<std::uint8_t>(), 1, static_cast<std::size_t>(mask.numel())) != nullptr;
}

// d(a -> b) for two borders, in ascending order.
std::vector<double> directed(const Tensor& a, const Tensor& b, const std::vector<double>& spacing) {
  Shape batch{1};
  for (const std::int64_t extent : b.shape()) batch.push_back(extent);
  const Tensor far = distance_transform(reshape(b, batch), {1}, spacing, DType::f64);
  const std::uint8_t* from = a.data<std::uint8_t>();
  const std::uint8_t* to = b.data<std::uint8_t>();
  std::vector<double> distances;
  for (std::int64_t i = 0, end = a.numel(); i < end; ++i)  // on b itself the transform is the distance out of b
    if (from[i] != 0) distances.push_back(to[i] != 0 ? 0 : far.data<double>()[i]);
  std::sort(distances.begin(), distances.end());
  return distances;
}

// `value()` if there are distances, else the value for empty masks.
template <class Value>
double unless_empty(const SurfaceDistances& d, double one_empty, Value&& value) {
  if (d.no_prediction && d.no_truth) return kUndefined;
  return d.no_prediction || d.no_truth ? one_empty : value();
}

constexpr double kFar = std::numeric_limits<double>::infinity();

double total(const std::vector<double>& distances) { return std::accumulate(distances.begin(), distances.end(), 0.0); }
double mean(const std::vector<double>& distances) { return total(distances) / static_cast<double>(distances.size()); }

double percentile95(const std::vector<double>& sorted) { return quantile(sorted, 0.95); }

}  // namespace

std::vector<SurfaceDistances> surface_distances(const Tensor& prediction, const Tensor& truth, std::int64_t classes,
                                                const std::vector<double>& spacing, int ignore) {
  check(prediction.shape() == truth.shape() && truth.dims() > 0, "surface_distances: prediction ", prediction,
        " and truth ", truth, " must have one shape with axes");
  check(classes >= 1 && classes <= 256, "surface_distances: classes ", classes, " outside 1..256");
  const Crop crop(prediction, truth, ignore);
  std::vector<SurfaceDistances> result(static_cast<std::size_t>(classes));
  for (std::size_t c = 1; c < result.size(); ++c) {
    // Neither mask has voxels outside the box, so the borders are the same in the box as in the whole image.
    const Masks masks = crop.masks(static_cast<std::int64_t>(c));
    if (!masks.truth.defined()) continue;
    const Tensor in_s = border_of(masks.prediction), in_g = border_of(masks.truth);
    SurfaceDistances& d = result[c];
    d.no_prediction = !any(in_s);
    d.no_truth = !any(in_g);
    if (d.no_prediction || d.no_truth) continue;
    d.to_truth = directed(in_s, in_g, spacing);
    d.to_prediction = directed(in_g, in_s, spacing);
  }
  return result;
}

double hausdorff(const SurfaceDistances& d) {
  return unless_empty(d, kFar, [&] { return std::max(d.to_truth.back(), d.to_prediction.back()); });
}
double hausdorff95(const SurfaceDistances& d) {
  return unless_empty(d, kFar, [&] { return std::max(percentile95(d.to_truth), percentile95(d.to_prediction)); });
}
double hausdorff95_pooled(const SurfaceDistances& d) {
  return unless_empty(d, kFar, [&] {
    std::vector<double> both(d.to_truth.size() + d.to_prediction.size());
    std::merge(d.to_truth.begin(), d.to_truth.end(), d.to_prediction.begin(), d.to_prediction.end(), both.begin());
    return percentile95(both);
  });
}
double assd(const SurfaceDistances& d) {
  return unless_empty(d, kFar, [&] {
    return (total(d.to_truth) + total(d.to_prediction)) /
           static_cast<double>(d.to_truth.size() + d.to_prediction.size());
  });
}
double masd(const SurfaceDistances& d) {
  return unless_empty(d, kFar, [&] { return (mean(d.to_truth) + mean(d.to_prediction)) / 2; });
}
double nsd(const SurfaceDistances& d, double tau) {
  return unless_empty(d, 0, [&] {
    const double limit = tau * (1 + 1e-6);  // the spacing of a file may be f32
    const auto within = [&](const std::vector<double>& list) {
      return std::upper_bound(list.begin(), list.end(), limit) - list.begin();
    };
    return static_cast<double>(within(d.to_truth) + within(d.to_prediction)) /
           static_cast<double>(d.to_truth.size() + d.to_prediction.size());
  });
}

}  // namespace voxgrad::losses

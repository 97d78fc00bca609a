#include "losses/metrics/nearest.h"

#include <algorithm>
#include <array>
#include <limits>

#include "engine/parallel.h"

namespace voxgrad::losses {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

// One line of the volume: the squared distance to the nearest object so far, and its label. A pass replaces both by the
// minimum over the line of distance[q] + weight (x - q)^2, by the smallest label where several are minimal. For fixed
// labels the functions of x are parabolas of one width, so that their lower envelope is found from left to right.
class Line {
 public:
  explicit Line(std::int64_t length) : distances(static_cast<std::size_t>(length)), labels(distances.size()) {
    for (std::vector<double>* list : {&from_, &result_}) list->resize(distances.size());
    vertex_.resize(distances.size());
    nearest_.resize(distances.size());
  }
  void pass(double weight);
  std::vector<double> distances;
  std::vector<std::int32_t> labels;

 private:
  double value(std::int64_t vertex, std::int64_t x, double weight) const {
    const auto step = static_cast<double>(x - vertex);
    return nth(distances, vertex) + weight * step * step;
  }
  std::vector<std::int64_t> vertex_;  // of the parabolas of the envelope
  std::vector<double> from_;          // where each of them begins to be minimal
  std::vector<double> result_;
  std::vector<std::int32_t> nearest_;
};

void Line::pass(double weight) {
  const std::int64_t length = std::ssize(distances);
  std::int64_t count = 0;
  for (std::int64_t q = 0; q < length; ++q) {
    if (nth(distances, q) == kFar) continue;
    double from = -kFar;
    while (count > 0) {
      const std::int64_t v = nth(vertex_, count - 1);
      const auto a = static_cast<double>(q), b = static_cast<double>(v);
      from = ((nth(distances, q) + weight * a * a) - (nth(distances, v) + weight * b * b)) / (2 * weight * (a - b));
      if (from >= nth(from_, count - 1)) break;  // equal: it is minimal at a single point, which may be a voxel
      --count;
      from = -kFar;
    }
    nth(vertex_, count) = q;
    nth(from_, count++) = from;
  }
  if (count == 0) return;
  for (std::int64_t x = 0, k = 0; x < length; ++x) {
    const auto position = static_cast<double>(x);
    while (k + 1 < count && nth(from_, k + 1) < position) ++k;
    double least = value(nth(vertex_, k), x, weight);
    std::int32_t label = nth(labels, nth(vertex_, k));
    for (std::int64_t j = k + 1; j < count && nth(from_, j) <= position; ++j) {
      const double other = value(nth(vertex_, j), x, weight);
      const std::int32_t its = nth(labels, nth(vertex_, j));
      if (other > least || (other == least && its > label)) continue;
      least = other;
      label = its;
    }
    nth(result_, x) = least;
    nth(nearest_, x) = label;
  }
  distances.swap(result_);
  labels.swap(nearest_);
}

}  // namespace

std::vector<std::int32_t> nearest_object(const std::vector<std::int32_t>& labels, const Shape& shape,
                                         const std::vector<double>& spacing) {
  check(std::ssize(labels) == shape.numel(), "nearest_object: ", labels.size(), " labels for the shape ", shape);
  std::vector<std::int32_t> nearest = labels;
  std::vector<double> distances(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) distances[i] = labels[i] > 0 ? 0 : kFar;
  std::int64_t stride = 1;
  for (int axis = shape.dims() - 1; axis >= 0; stride *= shape[axis--]) {
    const std::int64_t length = shape[axis], lines = length > 0 ? shape.numel() / length : 0;
    if (length < 2) continue;
    const double step = spacing.empty() ? 1 : nth(spacing, axis);
    // Lines beside each other are read together, because their voxels share the lines of the cache.
    constexpr std::int64_t kTogether = 16;
    parallel_for(lines, kTogether, [&](std::int64_t begin, std::int64_t end) {
      std::vector<Line> block(static_cast<std::size_t>(end - begin), Line(length));
      std::array<std::int64_t, kTogether> first{};
      for (std::int64_t j = 0; j < end - begin; ++j)
        nth(first, j) = (begin + j) / stride * stride * length + (begin + j) % stride;
      const auto for_each = [&](auto&& move) {
        for (std::int64_t i = 0; i < length; ++i)
          for (std::int64_t j = 0; j < end - begin; ++j) move(nth(block, j), i, nth(first, j) + i * stride);
      };
      for_each([&](Line& line, std::int64_t i, std::int64_t voxel) {
        nth(line.distances, i) = nth(distances, voxel);
        nth(line.labels, i) = nth(nearest, voxel);
      });
      for (Line& line : block) line.pass(step * step);
      for_each([&](const Line& line, std::int64_t i, std::int64_t voxel) {
        nth(distances, voxel) = nth(line.distances, i);
        nth(nearest, voxel) = nth(line.labels, i);
      });
    });
  }
  return nearest;
}

}  // namespace voxgrad::losses

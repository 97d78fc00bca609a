// Connected components of labels, and the nearest component of every voxel.
#include <algorithm>
#include <limits>
#include <vector>

#include "engine/cpu/scratch.h"
#include "engine/distance_grid.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/axes.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr double kInfinitelyFar = std::numeric_limits<double>::infinity();

// Voxels begin .. end - 1 of a line along the last axis that belong to the class.
struct Run {
  std::int64_t begin, end;
  std::size_t parent;  // an earlier run of the same component; a root is its own
};

// The runs of a class, line by line, joined to components. The root of a component is its first run.
class Runs {
 public:
  Runs(const std::uint8_t* label, int wanted, const Extents& extent, int connectivity)
      : label_(label), wanted_(wanted), width_(extent[2]) {
    for (std::int64_t z = 0; z < extent[0]; ++z)
      for (std::int64_t row = 0; row < extent[1]; ++row) {
        const std::int64_t line = z * extent[1] + row;
        find(line);
        if (row > 0) join(line, line - 1, connectivity - 1);
        for (std::int64_t other = row - 1; z > 0 && other <= row + 1; ++other)
          if (other >= 0 && other < extent[1])
            join(line, line - row - extent[1] + other, connectivity - 1 - (other == row ? 0 : 1));
      }
  }

  // Writes the number of its component to each voxel of y, whose channels are `channels`; 0 elsewhere.
  void number(std::int32_t* y, std::int64_t channels) {
    const auto lines = static_cast<std::int64_t>(first_.size()) - 1;
    for (std::int64_t i = 0; i < lines * width_; ++i) y[i * channels] = 0;
    std::vector<std::int32_t> numbers(runs_.size());
    std::int32_t count = 0;
    for (std::int64_t line = 0; line < lines; ++line)
      for (std::size_t i = nth(first_, line); i < nth(first_, line + 1); ++i) {
        numbers[i] = runs_[i].parent == i ? ++count : numbers[root(i)];
        for (std::int64_t x = runs_[i].begin; x < runs_[i].end; ++x) y[(line * width_ + x) * channels] = numbers[i];
      }
  }

 private:
  void find(std::int64_t line) {
    const std::uint8_t* const label = label_ + line * width_;
    for (std::int64_t x = 0; x < width_;) {
      const std::int64_t begin = x;
      while (x < width_ && label[x] == wanted_) ++x;
      if (x > begin) runs_.push_back({begin, x, runs_.size()});
      while (x < width_ && label[x] != wanted_) ++x;
    }
    first_.push_back(runs_.size());
  }

  // Joins the runs of a line with those of an earlier line beside it. `left` axes may differ besides those between the
  // lines: with none two runs must overlap, with one they may also meet at a corner.
  void join(std::int64_t line, std::int64_t earlier, int left) {
    if (left < 0) return;
    const std::int64_t reach = left > 0 ? 1 : 0;
    std::size_t a = nth(first_, line), b = nth(first_, earlier);
    while (a < nth(first_, line + 1) && b < nth(first_, earlier + 1)) {
      if (runs_[a].begin < runs_[b].end + reach && runs_[b].begin < runs_[a].end + reach) {
        const auto [low, high] = std::minmax({root(a), root(b)});
        runs_[high].parent = low;
      }
      ++(runs_[a].end < runs_[b].end ? a : b);
    }
  }

  // The path to the root becomes shorter.
  std::size_t root(std::size_t i) {
    while (runs_[i].parent != i) i = runs_[i].parent = runs_[runs_[i].parent].parent;
    return i;
  }

  const std::uint8_t* label_;
  int wanted_;
  std::int64_t width_;
  std::vector<Run> runs_;
  std::vector<std::size_t> first_{0};  // the first run of each line, and the end of the last line
};

// One line of the volume: the squared distance to the nearest component so far, and its id. A pass replaces both by the
// minimum over the line of distance[q] + weight (x - q)^2, by the smallest id where several are minimal. The functions
// of x are parabolas of one width, so that their lower envelope is found from left to right (Felzenszwalb and
// Huttenlocher, Theory of Computing 2012, with the id carried along).
class Line {
 public:
  explicit Line(std::int64_t length)
      : distance(static_cast<std::size_t>(length)),
        id(distance.size()),
        vertex_(distance.size()),
        from_(distance.size()),
        result_(distance.size()),
        nearest_(distance.size()) {}
  void pass(double weight);
  std::vector<double> distance;
  std::vector<std::int32_t> id;

 private:
  double value(std::int64_t vertex, std::int64_t x, double weight) const {
    const auto step = static_cast<double>(x - vertex);
    return nth(distance, vertex) + weight * step * step;
  }
  std::vector<std::int64_t> vertex_;  // of the parabolas of the envelope
  std::vector<double> from_;          // where each of them begins to be minimal
  std::vector<double> result_;
  std::vector<std::int32_t> nearest_;
};

void Line::pass(double weight) {
  const std::int64_t length = std::ssize(distance);
  std::int64_t count = 0;
  for (std::int64_t q = 0; q < length; ++q) {
    if (nth(distance, q) == kInfinitelyFar) continue;
    double from = -kInfinitelyFar;
    while (count > 0) {
      const std::int64_t v = nth(vertex_, count - 1);
      const auto a = static_cast<double>(q), b = static_cast<double>(v);
      from = ((nth(distance, q) + weight * a * a) - (nth(distance, v) + weight * b * b)) / (2 * weight * (a - b));
      if (from >= nth(from_, count - 1)) break;  // equal: it is minimal at a single point, which may be a voxel
      --count;
      from = -kInfinitelyFar;
    }
    nth(vertex_, count) = q;
    nth(from_, count++) = from;
  }
  if (count == 0) return;
  for (std::int64_t x = 0, k = 0; x < length; ++x) {
    const auto position = static_cast<double>(x);
    while (k + 1 < count && nth(from_, k + 1) < position) ++k;
    double least = value(nth(vertex_, k), x, weight);
    std::int32_t best = nth(id, nth(vertex_, k));
    for (std::int64_t j = k + 1; j < count && nth(from_, j) <= position; ++j) {
      const double other = value(nth(vertex_, j), x, weight);
      const std::int32_t its = nth(id, nth(vertex_, j));
      if (other > least || (other == least && its > best)) continue;
      least = other;
      best = its;
    }
    nth(result_, x) = least;
    nth(nearest_, x) = best;
  }
  distance.swap(result_);
  id.swap(nearest_);
}

}  // namespace

void CpuBackend::components(const Tensor& labels, const std::vector<int>& classes, int connectivity, const Tensor& y) {
  const Extents extent = three_axes(y.shape());
  const std::int64_t voxels = extent[0] * extent[1] * extent[2], width = y.extent(-1);
  parallel_for(labels.extent(0) * width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t sample = i / width, k = i % width;
      Runs(labels.data<std::uint8_t>() + sample * voxels, nth(classes, k), extent, connectivity)
          .number(y.data<std::int32_t>() + sample * voxels * width + k, width);
    }
  });
}

void CpuBackend::nearest(const Tensor& ids, const std::vector<double>& spacing, const Tensor& y) {
  const std::int64_t width = ids.extent(-1);
  if (ids.numel() == 0) return;
  const DistanceGrid grid(Shape(std::span(ids.shape().begin(), ids.shape().end() - 1)), spacing);
  const std::int64_t voxels = ids.numel() / width;
  const Scratch<double> distances(voxels);
  for (std::int64_t k = 0; k < width; ++k) {
    double* const distance = distances.data();
    const std::int32_t* const id = ids.data<std::int32_t>() + k;
    std::int32_t* const nearest = y.data<std::int32_t>() + k;
    for (std::int64_t i = 0; i < voxels; ++i) {
      distance[i] = id[i * width] != 0 ? 0 : kInfinitelyFar;
      nearest[i * width] = id[i * width];
    }
    std::int64_t stride = 1;
    for (std::size_t axis = 3; axis-- > 0; stride *= grid.extent[axis]) {
      const std::int64_t length = grid.extent[axis];
      if (length == 1) continue;
      // Rounded, so that sums of squares are exact and equal distances are equal in every unit of length.
      const double weight = static_cast<float>(grid.weight[axis]);
      // Lines beside each other are read together, because their voxels share the lines of the cache.
      constexpr std::int64_t kTogether = 16;
      parallel_for(voxels / length, kTogether, [&](std::int64_t begin, std::int64_t end) {
        std::vector<Line> block(static_cast<std::size_t>(end - begin), Line(length));
        const auto for_each = [&](auto&& move) {
          for (std::int64_t i = 0; i < length; ++i)
            for (std::int64_t line = begin; line < end; ++line)
              move(nth(block, line - begin), i, line / stride * stride * length + line % stride + i * stride);
        };
        for_each([&](Line& line, std::int64_t i, std::int64_t voxel) {
          nth(line.distance, i) = distance[voxel];
          nth(line.id, i) = nearest[voxel * width];
        });
        for (Line& line : block) line.pass(weight);
        for_each([&](const Line& line, std::int64_t i, std::int64_t voxel) {
          distance[voxel] = nth(line.distance, i);
          nearest[voxel * width] = nth(line.id, i);
        });
      });
    }
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

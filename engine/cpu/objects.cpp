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

struct Step {
  std::int64_t z, y, x;
};

// The neighbours of a voxel that come before it in memory.
std::vector<Step> steps_back(int connectivity) {
  std::vector<Step> steps;
  for (std::int64_t z = -1; z <= 0; ++z)
    for (std::int64_t y = -1; y <= 1; ++y)
      for (std::int64_t x = -1; x <= 1; ++x) {
        const bool before = z < 0 || (z == 0 && (y < 0 || (y == 0 && x < 0)));
        if (before && std::abs(z) + std::abs(y) + std::abs(x) <= connectivity) steps.push_back({z, y, x});
      }
  return steps;
}

// The first voxel of the component that voxel i is known to belong to; the path to it becomes shorter.
std::int32_t first_of(std::int32_t* parent, std::int32_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

// Union and find in the order of memory: the smaller index becomes the root, so a root comes before its component.
void number_components(const std::uint8_t* label, int wanted, const Extents& extent, const std::vector<Step>& steps,
                       std::int32_t* y, std::int64_t width) {
  const std::int64_t voxels = extent[0] * extent[1] * extent[2];
  const Scratch<std::int32_t> memory(voxels);
  std::int32_t* const parent = memory.data();
  const auto inside = [](std::int64_t at, std::int64_t n) { return at >= 0 && at < n; };
  for (std::int64_t i = 0; i < voxels; ++i) {
    if (label[i] != wanted) continue;
    const std::int64_t x = i % extent[2], row = i / extent[2] % extent[1], z = i / (extent[1] * extent[2]);
    std::int32_t root = parent[i] = static_cast<std::int32_t>(i);
    for (const Step& step : steps) {
      if (!inside(z + step.z, extent[0]) || !inside(row + step.y, extent[1]) || !inside(x + step.x, extent[2]))
        continue;
      const std::int64_t j = i + (step.z * extent[1] + step.y) * extent[2] + step.x;
      if (label[j] != wanted) continue;
      const std::int32_t other = first_of(parent, static_cast<std::int32_t>(j));
      parent[std::max(root, other)] = std::min(root, other);
      root = std::min(root, other);
    }
  }
  std::int32_t count = 0;
  for (std::int64_t i = 0; i < voxels; ++i) {
    if (label[i] != wanted)
      y[i * width] = 0;
    else if (parent[i] == i)
      y[i * width] = ++count;
    else
      y[i * width] = y[first_of(parent, static_cast<std::int32_t>(i)) * width];
  }
}

struct Nearest {
  double square;
  std::int32_t id;
};
inline bool nearer(const Nearest& a, const Nearest& b) {
  return a.square < b.square || (a.square == b.square && a.id < b.id);
}

// The best of a line, whose voxels are `stride` apart: a search outwards from every voxel, which ends where the line
// alone is longer than the best so far.
void search_line(const Nearest* from, std::int64_t n, std::int64_t stride, double weight, Nearest* to) {
  bool any = false;
  for (std::int64_t i = 0; i < n && !any; ++i) any = from[i * stride].id != 0;
  for (std::int64_t i = 0; i < n; ++i) {
    Nearest best = from[i * stride];
    for (std::int64_t k = 1; any && k < n; ++k) {
      const double along = weight * static_cast<double>(k * k);
      if (along > best.square) break;
      for (const std::int64_t j : {i - k, i + k}) {
        if (j < 0 || j >= n) continue;
        const Nearest other{from[j * stride].square + along, from[j * stride].id};
        if (nearer(other, best)) best = other;
      }
    }
    to[i * stride] = best;
  }
}

}  // namespace

void CpuBackend::components(const Tensor& labels, const std::vector<int>& classes, int connectivity, const Tensor& y) {
  const Extents extent = three_axes(y.shape());
  const std::int64_t voxels = extent[0] * extent[1] * extent[2], width = y.extent(-1);
  const std::vector<Step> steps = steps_back(connectivity);
  parallel_for(labels.extent(0) * width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t sample = i / width, k = i % width;
      number_components(labels.data<std::uint8_t>() + sample * voxels, nth(classes, k), extent, steps,
                        y.data<std::int32_t>() + sample * voxels * width + k, width);
    }
  });
}

void CpuBackend::nearest(const Tensor& ids, const std::vector<double>& spacing, const Tensor& y) {
  const std::int64_t width = ids.extent(-1);
  if (ids.numel() == 0) return;
  const DistanceGrid grid(Shape(std::span(ids.shape().begin(), ids.shape().end() - 1)), spacing);
  const std::int64_t voxels = ids.numel() / width;
  const Scratch<Nearest> first(voxels), second(voxels);
  for (std::int64_t k = 0; k < width; ++k) {
    Nearest *from = first.data(), *to = second.data();
    const std::int32_t* const id = ids.data<std::int32_t>() + k;
    for (std::int64_t i = 0; i < voxels; ++i)
      from[i] = {id[i * width] != 0 ? 0 : std::numeric_limits<double>::infinity(), id[i * width]};
    std::int64_t inner = 1;
    for (std::size_t axis = 3; axis-- > 0; inner *= grid.extent[axis]) {
      const std::int64_t n = grid.extent[axis];
      if (n == 1) continue;
      // Rounded, so that sums of squares are exact and equal distances are equal in every unit of length.
      const double weight = static_cast<float>(grid.weight[axis]);
      parallel_for(voxels / n, std::max<std::int64_t>(1, 4096 / n), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t line = begin; line < end; ++line) {
          const std::int64_t at = line / inner * n * inner + line % inner;
          search_line(from + at, n, inner, weight, to + at);
        }
      });
      std::swap(from, to);
    }
    std::int32_t* const result = y.data<std::int32_t>() + k;
    for (std::int64_t i = 0; i < voxels; ++i) result[i * width] = from[i].id;
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

#include "engine/cpu/im2col.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// A point of the grid. It advances through width, height, depth and batch.
struct Cursor {
  std::int64_t sample;
  Extents at;

  Cursor(const PatchGrid& grid, std::int64_t row) {
    for (int axis = 2; axis >= 0; row /= grid.points[axis--]) at[axis] = row % grid.points[axis];
    sample = row;
  }
  void advance(const PatchGrid& grid) {
    for (int axis = 2; axis >= 0; --axis) {
      if (++at[axis] < grid.points[axis]) return;
      at[axis] = 0;
    }
    ++sample;
  }
};

template <class T>
inline void copy_channels(const T* from, T* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

}  // namespace

template <class T>
void gather_patches(const PatchGrid& grid, const T* source, std::int64_t begin, std::int64_t end,
                    std::int64_t first_tap, std::int64_t last_tap, T* patches) {
  const std::int64_t depth = grid.source[0], height = grid.source[1], width = grid.source[2];
  const auto inside = [](std::int64_t at, std::int64_t extent) { return at >= 0 && at < extent; };
  Cursor point(grid, begin);
  for (std::int64_t row = begin; row < end; ++row, point.advance(grid))
    for (std::int64_t i = first_tap; i < last_tap; ++i, patches += grid.channels) {
      const Extents& offset = nth(grid.taps, i).offset;
      const std::int64_t z = point.at[0] * grid.step[0] + offset[0];
      const std::int64_t y = point.at[1] * grid.step[1] + offset[1];
      const std::int64_t x = point.at[2] * grid.step[2] + offset[2];
      if (inside(z, depth) && inside(y, height) && inside(x, width))
        copy_channels(source + (((point.sample * depth + z) * height + y) * width + x) * grid.channels, patches,
                      grid.channels);
      else
        std::fill(patches, patches + grid.channels, T{0});
    }
}

template <class T>
void scatter_rows(const PatchGrid& grid, const T* rows, std::int64_t begin, std::int64_t end, std::int64_t channels,
                  T* destination) {
  Cursor point(grid, begin);
  for (std::int64_t row = begin; row < end; ++row, point.advance(grid), rows += channels) {
    std::int64_t voxel = point.sample;
    for (int axis = 0; axis < 3; ++axis)
      voxel = voxel * grid.target[axis] + grid.first[axis] + grid.spacing[axis] * point.at[axis];
    copy_channels(rows, destination + voxel * channels, channels);
  }
}

template void gather_patches<float>(const PatchGrid&, const float*, std::int64_t, std::int64_t, std::int64_t,
                                    std::int64_t, float*);
template void gather_patches<double>(const PatchGrid&, const double*, std::int64_t, std::int64_t, std::int64_t,
                                     std::int64_t, double*);
template void scatter_rows<float>(const PatchGrid&, const float*, std::int64_t, std::int64_t, std::int64_t, float*);
template void scatter_rows<double>(const PatchGrid&, const double*, std::int64_t, std::int64_t, std::int64_t, double*);

}  // namespace voxgrad::cpu::VOXGRAD_ISA

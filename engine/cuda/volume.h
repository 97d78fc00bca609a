// A map with any number of spatial axes as a volume [N, D, H, W, C]; missing axes have extent 1.
#pragma once

#include "engine/cuda/strided.h"
#include "engine/tensor.h"

namespace voxgrad::cuda {

struct Volume {
  std::int64_t samples, channels, extent[3]{1, 1, 1};
  Divisor by[3];  // the extents

  explicit Volume(const Shape& shape) : samples(shape[0]), channels(shape[-1]) {
    for (int axis = 0; axis < shape.spatial_dims(); ++axis) extent[3 - shape.spatial_dims() + axis] = shape[axis + 1];
    for (int axis = 0; axis < 3; ++axis) by[axis] = extent[axis];
  }
  // A voxel's place, from its number in the order of memory and back.
  struct Voxel {
    std::int64_t n, at[3];
  };
  __device__ Voxel voxel(std::int64_t index) const {
    const Division x = divide(index, by[2]), y = divide(x.quotient, by[1]), z = divide(y.quotient, by[0]);
    return {z.quotient, {z.rest, y.rest, x.rest}};
  }
  __host__ __device__ std::int64_t index(std::int64_t n, std::int64_t z, std::int64_t y, std::int64_t x) const {
    return ((n * extent[0] + z) * extent[1] + y) * extent[2] + x;
  }
  std::int64_t voxels() const { return samples * extent[0] * extent[1] * extent[2]; }
};

// One value per axis of a volume; missing axes have `otherwise`.
struct PerAxis {
  std::int64_t at[3];
  PerAxis(const Extents& values, const Shape& shape, std::int64_t otherwise = 1) : at{otherwise, otherwise, otherwise} {
    for (int axis = 0; axis < shape.spatial_dims(); ++axis) at[3 - shape.spatial_dims() + axis] = values[axis];
  }
};

// run(std::integral_constant<int, kN>): a thread takes kN channels at once, 16 bytes where extents and addresses allow.
template <class T, class Run>
void for_width(std::int64_t channels, std::initializer_list<const Tensor*> maps, const Run& run) {
  bool wide = channels % static_cast<std::int64_t>(16 / sizeof(T)) == 0;
  for (const Tensor* map : maps) wide = wide && reinterpret_cast<std::uintptr_t>(map->raw()) % 16 == 0;
  if (wide) return run(std::integral_constant<int, 16 / sizeof(T)>{});
  run(std::integral_constant<int, 1>{});
}

}  // namespace voxgrad::cuda

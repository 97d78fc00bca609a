#include "data/sampling/orientation.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

namespace voxgrad::data {
namespace {

// A loop over the result along three axes, and the steps that it takes in the input.
struct Walk {
  Extents extent = 1, step = 0;
  std::int64_t first = 0;
};

// Copies voxels of `channels` values, tile by tile. A step along the last axis of the result may be a step along the
// first axis of the input; within a tile the cache still has the lines of the input when the next row needs them.
template <class T, class Channels>
void gather(const T* source, T* target, const Walk& walk, Channels channels) {
  constexpr std::int64_t kTile = 16;
  const auto [depth, height, width] = walk.extent.value;
  for (std::int64_t i = 0; i < depth; ++i)
    for (std::int64_t j0 = 0; j0 < height; j0 += kTile)
      for (std::int64_t k0 = 0; k0 < width; k0 += kTile)
        for (std::int64_t j = j0; j < std::min(height, j0 + kTile); ++j) {
          const T* from = source + (walk.first + i * walk.step[0] + j * walk.step[1] + k0 * walk.step[2]) * channels;
          T* to = target + ((i * height + j) * width + k0) * channels;
          for (std::int64_t k = k0; k < std::min(width, k0 + kTile); ++k, from += walk.step[2] * channels)
            for (std::int64_t c = 0; c < channels; ++c) *to++ = from[c];
        }
}

}  // namespace

Orientation::Orientation(int dims) : dims_(dims) {
  check(dims == 2 || dims == 3, "orientation: ", dims, " spatial axes, expected 2 or 3");
}

void Orientation::flip(int axis) {
  check(axis >= 0 && axis < dims_, "orientation: axis ", axis, " of ", dims_);
  nth(flipped_, axis) ^= true;
}

void Orientation::rotate(int a, int b, int turns) {
  check(a != b && a >= 0 && a < dims_, "orientation: a turn from axis ", a, " to ", b);
  for (int turn = ((turns % 4) + 4) % 4; turn > 0; --turn) {
    flip(b);
    std::swap(nth(axis_, a), nth(axis_, b));
    std::swap(nth(flipped_, a), nth(flipped_, b));
  }
}

bool Orientation::identity() const { return axis_ == std::array<int, 3>{0, 1, 2} && flipped_ == std::array<bool, 3>{}; }

void Orientation::apply(const Tensor& x) const {
  check(x.dims() == dims_ || x.dims() == dims_ + 1, "orientation: of ", dims_, " axes on ", x);
  Extents stride;
  std::int64_t voxels = 1;
  for (int axis = dims_ - 1; axis >= 0; --axis) {
    stride[axis] = voxels;
    voxels *= x.extent(axis);
  }
  Walk walk;
  for (int i = 0; i < dims_; ++i) {
    const int from = nth(axis_, i), slot = 3 - dims_ + i;
    const std::int64_t extent = x.extent(from);
    check(extent == x.extent(i), "orientation: axes ", i, " and ", from, " of ", x, " change places");
    const bool backwards = nth(flipped_, i);
    walk.extent[slot] = extent;
    walk.step[slot] = backwards ? -stride[from] : stride[from];
    if (backwards) walk.first += (extent - 1) * stride[from];
  }
  dispatch(x.dtype(), [&]<class T>(T) {
    const std::vector<T> source(x.data<T>(), x.data<T>() + x.numel());
    const std::int64_t channels = x.dims() == dims_ ? 1 : x.extent(-1);
    if (channels == 1)
      gather(source.data(), x.data<T>(), walk, std::integral_constant<std::int64_t, 1>{});
    else
      gather(source.data(), x.data<T>(), walk, channels);
  });
}

}  // namespace voxgrad::data

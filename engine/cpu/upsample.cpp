// Upsampling and its gradient. Both are sums of taps along each axis, and the taps of one are the transpose of those of
// the other.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/volume.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// One output of an axis is a weighted sum of some inputs.
struct ResampleTap {
  std::int64_t from;
  double weight;
};
using ResampleTaps = std::vector<std::vector<ResampleTap>>;  // per output

// The taps of an axis of n voxels that becomes n * scale. In the linear case output j lies at (j + 1/2) / scale - 1/2.
ResampleTaps taps_of(std::int64_t n, std::int64_t scale, Upsampling kind) {
  ResampleTaps taps;
  for (std::int64_t j = 0; j < n * scale; ++j) {
    const double middle = (static_cast<double>(j) + 0.5) / static_cast<double>(scale) - 0.5;
    const double position = kind == Upsampling::nearest ? static_cast<double>(j / scale) : std::max(0.0, middle);
    const std::int64_t low = std::min(static_cast<std::int64_t>(position), n - 1);
    const double rest = position - static_cast<double>(low);
    taps.push_back({{low, 1.0}});
    if (low + 1 < n && rest > 0) taps.back() = {{low, 1 - rest}, {low + 1, rest}};
  }
  return taps;
}

ResampleTaps transposed(const ResampleTaps& taps, std::int64_t n) {
  auto result = zero_vector<std::vector<ResampleTap>>(n);
  for (std::int64_t j = 0; j < std::ssize(taps); ++j)
    for (const ResampleTap& tap : nth(taps, j)) nth(result, tap.from).push_back({j, tap.weight});
  return result;
}

std::array<ResampleTaps, 3> axis_taps(const Shape& small, Upsampling kind, const Extents& scale, bool transpose) {
  const Volume map(small);
  const Extents factor = three_axes(scale, small.spatial_dims());
  std::array<ResampleTaps, 3> taps;
  for (int axis = 0; axis < 3; ++axis) {
    ResampleTaps& result = nth(taps, axis) = taps_of(map.extent[axis], factor[axis], kind);
    if (transpose) result = transposed(result, map.extent[axis]);
  }
  return taps;
}

// to = the sum of weight * from[unit * tap ..] over the taps.
template <class T>
inline void combine(const T* from, const std::vector<ResampleTap>& taps, std::int64_t unit, std::int64_t count, T* to) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) {
    Vec<T> sum{};
    for (const ResampleTap& tap : taps) sum += static_cast<T>(tap.weight) * load(from + tap.from * unit + i);
    store(to + i, sum);
  }
  for (; i < count; ++i) {
    T sum = 0;
    for (const ResampleTap& tap : taps) sum += static_cast<T>(tap.weight) * from[tap.from * unit + i];
    to[i] = sum;
  }
}

// y = the taps of each axis applied to x. For each line of y, the lines of x that it needs are summed first, and then
// the voxels of that sum.
template <class T>
void resample(const Tensor& x, const std::array<ResampleTaps, 3>& taps, const Tensor& y) {
  const Volume in(x.shape()), out(y.shape());
  out.for_lines([&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
    std::vector<ResampleTap> lines;
    for (const ResampleTap& a : nth(taps[0], z))
      for (const ResampleTap& b : nth(taps[1], h))
        lines.push_back({(n * in.extent[0] + a.from) * in.extent[1] + b.from, a.weight * b.weight});
    const T* sum = x.data<T>() + lines[0].from * in.line();
    std::vector<T> memory;
    if (lines.size() > 1 || lines[0].weight != 1) {
      memory.resize(static_cast<std::size_t>(in.line()));
      combine(x.data<T>(), lines, in.line(), in.line(), memory.data());
      sum = memory.data();
    }
    T* to = y.data<T>() + line * out.line();
    for (const std::vector<ResampleTap>& voxels : taps[2]) {
      combine(sum, voxels, out.channels, out.channels, to);
      to += out.channels;
    }
  });
}

}  // namespace

void CpuBackend::upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y) {
  const std::array<ResampleTaps, 3> taps = axis_taps(x.shape(), kind, scale, false);
  dispatch_float(x.dtype(), "upsample", [&]<class T>(T) { resample<T>(x, taps, y); });
}

void CpuBackend::upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx) {
  const std::array<ResampleTaps, 3> taps = axis_taps(dx.shape(), kind, scale, true);
  dispatch_float(dy.dtype(), "upsample", [&]<class T>(T) { resample<T>(dy, taps, dx); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

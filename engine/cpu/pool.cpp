// Pooling, and upsampling with its gradient. Maps are read as volumes [N, D, H, W, C]; missing axes have extent 1.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 16384;

struct Volume {
  std::int64_t samples, channels;
  std::array<std::int64_t, 3> extent{1, 1, 1};

  explicit Volume(const Shape& shape) : samples(shape[0]), channels(shape[-1]) {
    const auto missing = static_cast<std::size_t>(3 - shape.spatial_dims());
    for (std::size_t i = missing; i < 3; ++i) extent[i] = shape[static_cast<int>(i - missing) + 1];
  }
  std::int64_t lines() const { return samples * extent[0] * extent[1]; }
  std::int64_t line() const { return extent[2] * channels; }  // elements
};

// One value per axis of a volume; missing axes have 1.
std::array<std::int64_t, 3> per_axis(const Extents& values, const Shape& shape) {
  std::array<std::int64_t, 3> all{1, 1, 1};
  const auto missing = static_cast<std::size_t>(3 - shape.spatial_dims());
  for (std::size_t i = missing; i < 3; ++i) all[i] = values[static_cast<int>(i - missing)];
  return all;
}

// body(line, n, z, y) for every line of a volume.
template <class F>
void for_lines(const Volume& volume, const F& body) {
  if (volume.line() == 0) return;
  parallel_for(volume.lines(), std::max<std::int64_t>(1, kGrain / volume.line()),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t line = begin; line < end; ++line)
                   body(line, line / (volume.extent[0] * volume.extent[1]), line / volume.extent[1] % volume.extent[0],
                        line % volume.extent[1]);
               });
}

// One output of an axis is a weighted sum of taps of the input.
struct Tap {
  std::int64_t from;
  double weight;
};
using Taps = std::vector<std::vector<Tap>>;  // per output

// The taps of an axis of n voxels that becomes n * scale. Linear: output j lies at (j + 1/2) / scale - 1/2.
Taps taps_of(std::int64_t n, std::int64_t scale, Upsampling kind) {
  Taps taps(static_cast<std::size_t>(n * scale));
  for (std::int64_t j = 0; j < n * scale; ++j) {
    std::vector<Tap>& list = taps[static_cast<std::size_t>(j)];
    if (kind == Upsampling::nearest || scale == 1) {
      list = {{j / scale, 1.0}};
      continue;
    }
    const double position = std::max(0.0, (static_cast<double>(j) + 0.5) / static_cast<double>(scale) - 0.5);
    const std::int64_t low = std::min(static_cast<std::int64_t>(position), n - 1);
    const double rest = position - static_cast<double>(low);
    if (low + 1 < n && rest > 0)
      list = {{low, 1 - rest}, {low + 1, rest}};
    else
      list = {{low, 1.0}};
  }
  return taps;
}

Taps transposed(const Taps& taps, std::int64_t n) {
  Taps result(static_cast<std::size_t>(n));
  for (std::size_t j = 0; j < taps.size(); ++j)
    for (const Tap& tap : taps[j])
      result[static_cast<std::size_t>(tap.from)].push_back({static_cast<std::int64_t>(j), tap.weight});
  return result;
}

// to[i] (+)= weight * from[i]
template <class T>
void accumulate(T* to, const T* from, T weight, std::int64_t count, bool first) {
  if (first)
    for (std::int64_t i = 0; i < count; ++i) to[i] = weight * from[i];
  else
    for (std::int64_t i = 0; i < count; ++i) to[i] += weight * from[i];
}

// y = the taps of each axis applied to x. Per line of y: the lines of x it needs are summed, then it is made of them.
template <class T>
void resample(const Tensor& x, const std::array<Taps, 3>& taps, const Tensor& y) {
  const Volume in(x.shape()), out(y.shape());
  const T* from = x.data<T>();
  T* to = y.data<T>();
  for_lines(out, [&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
    std::vector<T> sum(static_cast<std::size_t>(in.line()));
    bool first = true;
    for (const Tap& a : taps[0][static_cast<std::size_t>(z)])
      for (const Tap& b : taps[1][static_cast<std::size_t>(h)]) {
        const T* source = from + ((n * in.extent[0] + a.from) * in.extent[1] + b.from) * in.line();
        accumulate(sum.data(), source, static_cast<T>(a.weight * b.weight), in.line(), first);
        first = false;
      }
    T* target = to + line * out.line();
    for (const std::vector<Tap>& list : taps[2]) {
      first = true;
      for (const Tap& c : list) {
        accumulate(target, sum.data() + c.from * out.channels, static_cast<T>(c.weight), out.channels, first);
        first = false;
      }
      target += out.channels;
    }
  });
}

std::array<Taps, 3> axis_taps(const Shape& small, Upsampling kind, const Extents& scale, bool transpose) {
  const Volume volume(small);
  const std::array<std::int64_t, 3> factor = per_axis(scale, small);
  std::array<Taps, 3> taps;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    taps[axis] = taps_of(volume.extent[axis], factor[axis], kind);
    if (transpose) taps[axis] = transposed(taps[axis], volume.extent[axis]);
  }
  return taps;
}

}  // namespace

void CpuBackend::max_pool(const Tensor& x, const Extents& window, const Tensor& y, const Tensor& index) {
  const Volume in(x.shape()), out(y.shape());
  const std::array<std::int64_t, 3> size = per_axis(window, x.shape());
  dispatch_float(x.dtype(), "max_pool", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    std::uint8_t* choice = index.data<std::uint8_t>();
    for_lines(out, [&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
      for (std::int64_t w = 0; w < out.extent[2]; ++w)
        for (std::int64_t c = 0; c < out.channels; ++c) {
          T best = 0;
          std::uint8_t k = 0, which = 0;
          for (std::int64_t i = 0; i < size[0]; ++i)
            for (std::int64_t j = 0; j < size[1]; ++j)
              for (std::int64_t l = 0; l < size[2]; ++l, ++k) {
                const std::int64_t row = ((n * in.extent[0] + z * size[0] + i) * in.extent[1] + h * size[1] + j);
                const T value = from[row * in.line() + (w * size[2] + l) * in.channels + c];
                if (k == 0 || value > best || (value != value && best == best)) best = value, which = k;
              }
          to[line * out.line() + w * out.channels + c] = best;
          choice[line * out.line() + w * out.channels + c] = which;
        }
    });
  });
}

void CpuBackend::max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) {
  const Volume in(dx.shape()), out(dy.shape());
  const std::array<std::int64_t, 3> size = per_axis(window, dx.shape());
  dispatch_float(dy.dtype(), "max_pool", [&]<class T>(T) {
    const T* from = dy.data<T>();
    const std::uint8_t* choice = index.data<std::uint8_t>();
    T* to = dx.data<T>();
    for_lines(in, [&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
      T* target = to + line * in.line();
      std::fill(target, target + in.line(), T(0));
      if (z / size[0] >= out.extent[0] || h / size[1] >= out.extent[1]) return;
      const std::int64_t row = (n * out.extent[0] + z / size[0]) * out.extent[1] + h / size[1];
      for (std::int64_t w = 0; w < out.extent[2] * size[2]; ++w) {
        const std::int64_t k = (z % size[0] * size[1] + h % size[1]) * size[2] + w % size[2];
        const std::int64_t source = row * out.line() + w / size[2] * out.channels;
        for (std::int64_t c = 0; c < out.channels; ++c)
          if (choice[source + c] == k) target[w * out.channels + c] = from[source + c];
      }
    });
  });
}

void CpuBackend::upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y) {
  const std::array<Taps, 3> taps = axis_taps(x.shape(), kind, scale, false);
  dispatch_float(x.dtype(), "upsample", [&]<class T>(T) { resample<T>(x, taps, y); });
}

void CpuBackend::upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx) {
  const std::array<Taps, 3> taps = axis_taps(dx.shape(), kind, scale, true);
  dispatch_float(dy.dtype(), "upsample", [&]<class T>(T) { resample<T>(dy, taps, dx); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

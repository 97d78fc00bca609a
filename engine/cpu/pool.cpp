// Maximum pooling. The lanes of a vector are channels of one window.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/map_reader.h"
#include "engine/cpu/volume.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// Vectors of kN channels. A voxel is read in full vectors and then in ever smaller ones, so there is no remainder.
template <class T, int kN>
struct Lanes {
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T Values __attribute__((vector_size(kN * sizeof(T))));
  typedef Integer Integers __attribute__((vector_size(kN * sizeof(T))));  // also the result of a comparison
  typedef std::uint8_t Bytes __attribute__((vector_size(kN)));            // how an index is stored
};
template <class V, class T>
inline V read(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T>
inline void write(T* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

// f.operator()<Lanes>(c) for the vectors of one voxel's channels.
template <class T, int kN, class F>
inline void for_channels(std::int64_t c, std::int64_t channels, const F& f) {
  for (; c + kN <= channels; c += kN) f.template operator()<Lanes<T, kN>>(c);
  if constexpr (kN > 1) for_channels<T, kN / 2>(c, channels, f);
}

// The distances of the voxels of a window from its first one, in elements.
std::vector<std::int64_t> offsets_of(const Volume& in, const Extents& window) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < window[0]; ++i)
    for (std::int64_t j = 0; j < window[1]; ++j)
      for (std::int64_t k = 0; k < window[2]; ++k)
        offsets.push_back((i * in.extent[1] + j) * in.line() + k * in.channels);
  return offsets;
}

// Finds the first maximum of the voxels at x + offsets. A NaN is larger than any number.
template <class L, class T>
inline void window_maximum(const T* x, const std::vector<std::int64_t>& offsets, T* y, std::uint8_t* index) {
  auto best = read<typename L::Values>(x + offsets[0]);
  typename L::Integers which{}, k{};
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    const auto value = read<typename L::Values>(x + offsets[i]);
    const typename L::Integers better = (value > best) | ((value != value) & (best == best));
    k += 1;
    best = better ? value : best;
    which = better ? k : which;
  }
  write(y, best);
  write(index, __builtin_convertvector(which, typename L::Bytes));
}

// Writes dx of the voxels of one line of a window, which are `stride` apart. The first of them has the index `first`.
template <class L, class T>
inline void window_gradient(const T* dy, const std::uint8_t* index, std::int64_t first, std::int64_t voxels,
                            std::int64_t stride, T* dx) {
  const auto gradient = read<typename L::Values>(dy);
  auto k = __builtin_convertvector(read<typename L::Bytes>(index), typename L::Integers) -
           static_cast<typename L::Integer>(first);
  for (std::int64_t i = 0; i < voxels; ++i, k -= 1)
    write<typename L::Values>(dx + i * stride, k == 0 ? gradient : typename L::Values{});
}

// If the map is normalised as it is read, the lines of a window are normalised into a copy first.
template <class T>
void pool_windows(const MapReader<T>& source, const Volume& in, const Extents& size, const Tensor& y,
                  const Tensor& index) {
  const Volume out(y.shape());
  Volume copied = in;
  copied.extent = {size[0], size[1], in.extent[2]};
  const std::vector<std::int64_t> offsets = offsets_of(source.plain() ? in : copied, size);
  out.for_lines([&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
    const std::int64_t first = (n * in.extent[0] + z * size[0]) * in.extent[1] + h * size[1];  // line of the input
    const Scratch<T> lines(source.plain() ? 0 : copied.lines() / copied.samples * copied.line());
    const T* from = source.x + first * in.line();
    if (!source.plain()) {
      for (std::int64_t i = 0; i < size[0]; ++i) {
        const std::int64_t row = (first + i * in.extent[1]) * in.extent[2];
        source.read(row, row + size[1] * in.extent[2], lines.data() + i * size[1] * in.line());
      }
      from = lines.data();
    }
    T* to = y.data<T>() + line * out.line();
    std::uint8_t* which = index.data<std::uint8_t>() + line * out.line();
    for (std::int64_t w = 0; w < out.extent[2]; ++w) {
      for_channels<T, kLanes<T>>(
          0, out.channels, [&]<class L>(std::int64_t c) { window_maximum<L>(from + c, offsets, to + c, which + c); });
      from += size[2] * in.channels;
      to += out.channels;
      which += out.channels;
    }
  });
}

}  // namespace

void CpuBackend::max_pool(const FeatureMap& x, const Extents& window, const Tensor& y, const Tensor& index) {
  dispatch_float(y.dtype(), "max_pool", [&]<class T>(T) {
    pool_windows(MapReader<T>(x), Volume(x.shape()), three_axes(window, x.shape().spatial_dims()), y, index);
  });
}

void CpuBackend::max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) {
  const Volume in(dx.shape()), out(dy.shape());
  const Extents size = three_axes(window, dx.shape().spatial_dims());
  dispatch_float(dy.dtype(), "max_pool", [&]<class T>(T) {
    in.for_lines([&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
      T *to = dx.data<T>() + line * in.line(), *end = to + in.line();
      if (z / size[0] < out.extent[0] && h / size[1] < out.extent[1]) {
        const std::int64_t row = ((n * out.extent[0] + z / size[0]) * out.extent[1] + h / size[1]) * out.line();
        const T* from = dy.data<T>() + row;
        const std::uint8_t* which = index.data<std::uint8_t>() + row;
        const std::int64_t first = (z % size[0] * size[1] + h % size[1]) * size[2];
        for (std::int64_t w = 0; w < out.extent[2]; ++w) {
          for_channels<T, kLanes<T>>(0, out.channels, [&]<class L>(std::int64_t c) {
            window_gradient<L>(from + c, which + c, first, size[2], in.channels, to + c);
          });
          from += out.channels;
          which += out.channels;
          to += size[2] * in.channels;
        }
      }
      std::fill(to, end, T(0));  // what no window reaches
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

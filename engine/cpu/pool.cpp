// Maximum pooling. SIMD lanes run over the channels of one window.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/cpu/isa.h"

#include "engine/cpu/stream.h"
#include "engine/cpu/volume.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// Numbers of the width of T, and one byte per lane: the result of a comparison, and how an index is stored.
template <class T>
using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
template <class T>
using Integers = Vec<Integer<T>>;
template <class T>
struct Bytes {
  typedef std::uint8_t type __attribute__((vector_size(kLanes<T>)));
};

template <class T>
inline void store_index(std::uint8_t* p, Integers<T> index, int count) {
  const auto bytes = __builtin_convertvector(index, typename Bytes<T>::type);
  std::memcpy(p, &bytes, static_cast<std::size_t>(count));
}
template <class T>
inline Integers<T> load_index(const std::uint8_t* p, int count) {
  typename Bytes<T>::type bytes{};
  std::memcpy(&bytes, p, static_cast<std::size_t>(count));
  return __builtin_convertvector(bytes, Integers<T>);
}

// f(c, count) for the vectors of one voxel's channels.
template <class T, class F>
inline void for_channels(std::int64_t channels, const F& f) {
  std::int64_t c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>) f(c, Full<T>{});
  if (c < channels) f(c, static_cast<int>(channels - c));
}

// Where the voxels of a window lie, from its first one on, in elements.
std::vector<std::int64_t> offsets_of(const Volume& in, const std::array<std::int64_t, 3>& window) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < window[0]; ++i)
    for (std::int64_t j = 0; j < window[1]; ++j)
      for (std::int64_t k = 0; k < window[2]; ++k)
        offsets.push_back((i * in.extent[1] + j) * in.line() + k * in.channels);
  return offsets;
}

// The first maximum of the voxels at x + offsets; a NaN is larger than any number.
template <class T, class Count>
inline void window_maximum(const T* x, const std::vector<std::int64_t>& offsets, Count count, T* y,
                           std::uint8_t* index) {
  Vec<T> best = load_first(x + offsets[0], count);
  Integers<T> which{}, k{};
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    const Vec<T> value = load_first(x + offsets[i], count);
    const auto better = (value > best) | ((value != value) & (best == best));
    k += 1;
    best = better ? value : best;
    which = better ? k : which;
  }
  store_first(y, best, count);
  store_index<T>(index, which, count);
}

}  // namespace

void CpuBackend::max_pool(const Tensor& x, const Extents& window, const Tensor& y, const Tensor& index) {
  const Volume in(x.shape()), out(y.shape());
  const std::array<std::int64_t, 3> size = per_axis(window, x.shape());
  const std::vector<std::int64_t> offsets = offsets_of(in, size);
  dispatch_float(x.dtype(), "max_pool", [&]<class T>(T) {
    out.for_lines([&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
      const T* from = x.data<T>() + ((n * in.extent[0] + z * size[0]) * in.extent[1] + h * size[1]) * in.line();
      T* to = y.data<T>() + line * out.line();
      std::uint8_t* which = index.data<std::uint8_t>() + line * out.line();
      for (std::int64_t w = 0; w < out.extent[2]; ++w) {
        for_channels<T>(out.channels, [&](std::int64_t c, auto count) {
          window_maximum(from + c, offsets, count, to + c, which + c);
        });
        from += size[2] * in.channels;
        to += out.channels;
        which += out.channels;
      }
    });
  });
}

void CpuBackend::max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) {
  const Volume in(dx.shape()), out(dy.shape());
  const std::array<std::int64_t, 3> size = per_axis(window, dx.shape());
  dispatch_float(dy.dtype(), "max_pool", [&]<class T>(T) {
    in.for_lines([&](std::int64_t line, std::int64_t n, std::int64_t z, std::int64_t h) {
      T *to = dx.data<T>() + line * in.line(), *end = to + in.line();
      if (z / size[0] < out.extent[0] && h / size[1] < out.extent[1]) {
        const std::int64_t row = ((n * out.extent[0] + z / size[0]) * out.extent[1] + h / size[1]) * out.line();
        const T* from = dy.data<T>() + row;
        const std::uint8_t* which = index.data<std::uint8_t>() + row;
        const auto first = static_cast<Integer<T>>((z % size[0] * size[1] + h % size[1]) * size[2]);
        for (std::int64_t w = 0; w < out.extent[2]; ++w) {
          for_channels<T>(out.channels, [&](std::int64_t c, auto count) {
            const Vec<T> gradient = load_first(from + c, count);
            Integers<T> k = load_index<T>(which + c, count) - first;  // 0: the first voxel of this line's part
            for (std::int64_t l = 0; l < size[2]; ++l, k -= 1)
              store_first(to + l * in.channels + c, k == 0 ? gradient : Vec<T>{}, count);
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

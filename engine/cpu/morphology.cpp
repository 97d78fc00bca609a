// The minimum or maximum of three neighbours along an axis. A map is read as [outer, n, inner]; tiles of n lines with
// some inner elements are copied between two lines of padding, so that every loop is one stream without cases.
#include <algorithm>
#include <limits>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

struct Tiles {
  std::int64_t outer = 1, n, inner = 1, width, count;

  Tiles(const Shape& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.dims(); ++i) inner *= shape[i];
    width = std::min(inner, std::max<std::int64_t>(64, 8192 / std::max<std::int64_t>(n, 1)));
    count = block_count(inner, width);
  }
  std::int64_t padded() const { return (n + 4) * width; }
  // body(offset of the first element, elements per line)
  template <class F>
  void for_each(const F& body) const {
    parallel_for(outer * count, std::max<std::int64_t>(1, 16384 / (n * width)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t t = begin; t < end; ++t) {
                     const std::int64_t first = t % count * width;
                     body(t / count * n * inner + first, std::min(width, inner - first));
                   }
                 });
  }
  // Lines of `elements` into a dense tile behind two lines of `padding`, two more after them.
  template <class T>
  void load(const T* x, std::int64_t elements, T padding, T* tile) const {
    std::fill_n(tile, 2 * elements, padding);
    for_runs(elements, [&](std::int64_t from, std::int64_t to, std::int64_t length) {
      std::copy_n(x + from, length, tile + to);
    });
    std::fill_n(tile + (n + 2) * elements, 2 * elements, padding);
  }
  // body(offset in the map, offset in the dense tile, elements): every line, or all of them at once where they follow
  // each other in the map, too. Along the last axis a line has but one element per channel.
  template <class F>
  void for_runs(std::int64_t elements, const F& body) const {
    if (elements == inner) return body(0, 2 * inner, n * inner);
    for (std::int64_t i = 0; i < n; ++i) body(i * inner, (i + 2) * elements, elements);
  }
};

template <bool kLargest, class T>
inline bool better(T a, T b) {
  return kLargest ? a > b : a < b;
}
template <bool kLargest, class T>
inline T best(T a, T b) {
  return better<kLargest>(b, a) ? b : a;
}
template <bool kLargest, class T>
inline constexpr T kNever = kLargest ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();

template <bool kLargest, class T>
void extreme(const Tiles& tiles, const T* x, T* y) {
  tiles.for_each([&](std::int64_t offset, std::int64_t w) {
    const Scratch<T> memory(tiles.padded());
    tiles.load(x + offset, w, kNever<kLargest, T>, memory.data());
    tiles.for_runs(w, [&, w = w](std::int64_t here, std::int64_t in_tile, std::int64_t count) {
      const T* at = memory.data() + in_tile;
      T* to = y + offset + here;
      VOXGRAD_INDEPENDENT
      for (std::int64_t k = 0; k < count; ++k) to[k] = best<kLargest>(best<kLargest>(at[k - w], at[k]), at[k + w]);
    });
  });
}

// An element receives the gradients of those of its neighbours, and of itself, that chose it.
template <bool kLargest, class T>
void extreme_gradient(const Tiles& tiles, const T* x, const T* dy, T* dx) {
  tiles.for_each([&](std::int64_t offset, std::int64_t w) {
    const Scratch<T> values(tiles.padded()), gradients(tiles.padded());
    tiles.load(x + offset, w, kNever<kLargest, T>, values.data());
    tiles.load(dy + offset, w, T(0), gradients.data());
    tiles.for_runs(w, [&, w = w](std::int64_t here, std::int64_t in_tile, std::int64_t count) {
      const T *v = values.data() + in_tile, *g = gradients.data() + in_tile;
      T* to = dx + offset + here;
      VOXGRAD_INDEPENDENT
      for (std::int64_t k = 0; k < count; ++k) {
        const T me = v[k], before = v[k - w], after = v[k + w];
        const bool beats_before = better<kLargest>(me, before), holds_after = !better<kLargest>(after, me);
        const T from_before = beats_before & better<kLargest>(me, v[k - 2 * w]) ? g[k - w] : T(0);
        const T from_me = beats_before & holds_after ? g[k] : T(0);
        const T from_after = holds_after & !better<kLargest>(v[k + 2 * w], me) ? g[k + w] : T(0);
        to[k] = from_before + from_me + from_after;
      }
    });
  });
}

}  // namespace

void CpuBackend::neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  const Tiles tiles(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    op == ReduceOp::max ? extreme<true>(tiles, x.data<T>(), y.data<T>())
                        : extreme<false>(tiles, x.data<T>(), y.data<T>());
  });
}

void CpuBackend::neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx) {
  if (x.numel() == 0) return;
  const Tiles tiles(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    op == ReduceOp::max ? extreme_gradient<true>(tiles, x.data<T>(), dy.data<T>(), dx.data<T>())
                        : extreme_gradient<false>(tiles, x.data<T>(), dy.data<T>(), dx.data<T>());
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// The minimum or maximum of three neighbours along an axis. A map is read as [outer, n, inner]: runs of n lines.
// Everything that is not at the end of a run is one stream, whose neighbours are `inner` elements away.
#include <algorithm>
#include <limits>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// Which lines exist around the one that is computed. Far from the ends the compiler knows that all do.
struct Around {
  bool two_before, before, after, two_after;
};
struct Everywhere {
  static constexpr bool two_before = true, before = true, after = true, two_after = true;
};

struct AxisRuns {
  std::int64_t outer = 1, n, inner = 1;

  AxisRuns(const Shape& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.dims(); ++i) inner *= shape[i];
  }
  // Calls body(begin, end, around) for parts of the map in which the same neighbouring lines exist.
  template <class F>
  void for_each(const F& body) const {
    constexpr std::int64_t kGrain = 16384;  // elements
    const std::int64_t lines = std::clamp<std::int64_t>(kGrain / inner, 1, n), pieces = block_count(n, lines);
    parallel_for(outer * pieces, std::max<std::int64_t>(1, kGrain / (lines * inner)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t piece = begin; piece < end; ++piece) {
                     const std::int64_t first = piece % pieces * lines;
                     for_lines(piece / pieces * n * inner, first, std::min(n, first + lines), body);
                   }
                 });
  }

 private:
  // Does so for the lines [first, last) of the run that begins at `run`.
  template <class F>
  void for_lines(std::int64_t run, std::int64_t first, std::int64_t last, const F& body) const {
    for (std::int64_t i = first; i < last;) {
      const std::int64_t begin = run + i * inner;
      const std::int64_t end = i < 2 || i + 2 >= n ? i + 1 : std::min(last, n - 2);
      if (i < 2 || i + 2 >= n)
        body(begin, begin + inner, Around{i >= 2, i >= 1, i + 1 < n, i + 2 < n});
      else
        body(begin, run + end * inner, Everywhere{});
      i = end;
    }
  }
};

// A NaN is more extreme than any number, so that it stays.
template <bool kLargest, class T>
inline bool beats(T a, T b) {
  return (kLargest ? a > b : a < b) | (a != a);
}
template <bool kLargest, class T>
inline T best(T a, T b) {
  return beats<kLargest>(b, a) ? b : a;
}

template <bool kLargest, class T>
void extreme(const AxisRuns& runs, const T* x, T* y) {
  runs.for_each([=, w = runs.inner](std::int64_t begin, std::int64_t end, auto has) {
    const T* v = x;
    T* to = y;
    VOXGRAD_INDEPENDENT
    for (std::int64_t k = begin; k < end; ++k) {
      const T before = has.before ? v[k - w] : v[k], after = has.after ? v[k + w] : v[k];
      to[k] = best<kLargest>(best<kLargest>(before, v[k]), after);
    }
  });
}

// An element receives the gradients of those of its neighbours, and of itself, that chose it as extreme.
template <bool kLargest, class T>
void extreme_gradient(const AxisRuns& runs, const T* x, const T* dy, T* dx) {
  runs.for_each([=, w = runs.inner](std::int64_t begin, std::int64_t end, auto has) {
    const T *v = x, *g = dy;
    T* to = dx;
    VOXGRAD_INDEPENDENT
    for (std::int64_t k = begin; k < end; ++k) {
      const T me = v[k], before = has.before ? v[k - w] : me, after = has.after ? v[k + w] : me;
      const T two_before = has.two_before ? v[k - 2 * w] : me, two_after = has.two_after ? v[k + 2 * w] : me;
      const T g_before = has.before ? g[k - w] : T(0), g_after = has.after ? g[k + w] : T(0);
      const bool beats_before = !has.before | beats<kLargest>(me, before);
      const bool beats_two = !has.two_before | beats<kLargest>(me, two_before);
      const bool holds_after = !has.after | !beats<kLargest>(after, me);
      const bool holds_two = !has.two_after | !beats<kLargest>(two_after, me);
      const T from_before = (beats_before & beats_two) ? g_before : T(0);
      const T from_me = (beats_before & holds_after) ? g[k] : T(0);
      const T from_after = (holds_after & holds_two) ? g_after : T(0);
      to[k] = from_before + from_me + from_after;
    }
  });
}

}  // namespace

void CpuBackend::neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  const AxisRuns runs(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    op == ReduceOp::max ? extreme<true>(runs, x.data<T>(), y.data<T>())
                        : extreme<false>(runs, x.data<T>(), y.data<T>());
  });
}

void CpuBackend::neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx) {
  if (x.numel() == 0) return;
  const AxisRuns runs(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    op == ReduceOp::max ? extreme_gradient<true>(runs, x.data<T>(), dy.data<T>(), dx.data<T>())
                        : extreme_gradient<false>(runs, x.data<T>(), dy.data<T>(), dx.data<T>());
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

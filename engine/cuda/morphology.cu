// The minimum or maximum of three neighbours along an axis. A map is read as [outer, n, inner].
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {
namespace {

struct Lines {
  Divisor n, inner;  // voxels of a line, elements from one to the next
  std::int64_t numel;

  Lines(const Shape& shape, int axis) : n(shape[axis]), numel(shape.numel()) {
    std::int64_t behind = 1;
    for (int i = axis + 1; i < shape.dims(); ++i) behind *= shape[i];
    inner = behind;
  }
};

// A NaN is more extreme than any number, so that it stays.
template <bool kLargest, class T>
__device__ inline bool beats(T a, T b) {
  return (kLargest ? a > b : a < b) || a != a;
}
template <bool kLargest, class T>
__device__ inline T best(T a, T b) {
  return beats<kLargest>(b, a) ? b : a;
}

// Which voxel of its line element i is.
__device__ inline std::int64_t place_of(const Lines& lines, std::int64_t i) {
  return divide(divide(i, lines.inner).quotient, lines.n).rest;
}
// Element `step` voxels further along the line of element i, or `outside`.
template <class T>
__device__ inline T at(const Lines& lines, const T* x, std::int64_t i, std::int64_t place, int step, T outside) {
  return place + step >= 0 && place + step < lines.n.value ? x[i + step * lines.inner.value] : outside;
}

template <bool kLargest, class T>
__global__ void extreme_kernel(Lines lines, const T* x, T* y) {
  for (std::int64_t i = first_index(); i < lines.numel; i += index_step()) {
    const std::int64_t place = place_of(lines, i);
    y[i] = best<kLargest>(best<kLargest>(at(lines, x, i, place, -1, x[i]), x[i]), at(lines, x, i, place, 1, x[i]));
  }
}

// An element receives the gradients of those of its neighbours, and of itself, that chose it: the first of equal ones.
template <bool kLargest, class T>
__global__ void extreme_gradient_kernel(Lines lines, const T* x, const T* dy, T* dx) {
  for (std::int64_t i = first_index(); i < lines.numel; i += index_step()) {
    const std::int64_t place = place_of(lines, i);
    const auto gradient = [&](int step) { return at(lines, dy, i, place, step, T(0)); };
    const auto beats_at = [&](int step) {  // one before
      return place + step < 0 || beats<kLargest>(x[i], x[i + step * lines.inner.value]);
    };
    const auto holds_at = [&](int step) {
      return place + step >= lines.n.value || !beats<kLargest>(x[i + step * lines.inner.value], x[i]);
    };
    const bool beats_before = beats_at(-1), holds_after = holds_at(1);
    T sum = 0;
    if (beats_before && beats_at(-2)) sum += gradient(-1);
    if (beats_before && holds_after) sum += dy[i];
    if (holds_after && holds_at(2)) sum += gradient(1);
    dx[i] = sum;
  }
}

}  // namespace

void CudaBackend::neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y) {
  const Lines lines(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    launch(op == ReduceOp::max ? extreme_kernel<true, T> : extreme_kernel<false, T>, grid_for(lines.numel), lines,
           x.data<T>(), y.data<T>());
  });
}

void CudaBackend::neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx) {
  const Lines lines(x.shape(), axis);
  dispatch_float(x.dtype(), "neighbours", [&]<class T>(T) {
    launch(op == ReduceOp::max ? extreme_gradient_kernel<true, T> : extreme_gradient_kernel<false, T>,
           grid_for(lines.numel), lines, x.data<T>(), dy.data<T>(), dx.data<T>());
  });
}

}  // namespace voxgrad::cuda

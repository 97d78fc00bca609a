// Reductions. Adjacent axes that are reduced together count as one; groups of them are reduced one after another, the
// last one first, through f64. Each is [A, R, B] -> [A, B] (columns.h).
#include <limits>

#include "engine/cuda/bf16.h"
#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/small.h"

namespace voxgrad::cuda {
namespace {

struct Sum {
  __device__ static double start() { return 0; }
  __device__ static double merge(double a, double b) { return a + b; }
};
struct SumOfSquares : Sum {};
struct Max {
  __device__ static double start() { return -std::numeric_limits<double>::infinity(); }
  __device__ static double merge(double a, double b) { return b > a || b != b ? b : a; }  // a NaN stays
};
struct Min {
  __device__ static double start() { return std::numeric_limits<double>::infinity(); }
  __device__ static double merge(double a, double b) { return b < a || b != b ? b : a; }
};

// The rows of x itself, kN columns at a time.
template <class Op, class T, int kN>
struct Rows : Op {
  using State = double;
  static constexpr int kWidth = kN;
  const T* x;
  std::int64_t r, b;

  __device__ void begin(std::int64_t, std::int64_t) {}
  __device__ void take(double (&states)[kN], std::int64_t a, std::int64_t row, std::int64_t column) const {
    const auto values = *reinterpret_cast<const Pack<T, kN>*>(x + (a * r + row) * b + column);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const double value = static_cast<double>(values.at[k]);
      states[k] = Op::merge(states[k], std::is_same_v<Op, SumOfSquares> ? value * value : value);
    }
  }
};

template <class To>
struct StoreAs {
  To* y;
  __device__ void operator()(std::int64_t i, double state) const { y[i] = static_cast<To>(state); }
};

// Few rows, or very many columns: a thread for each result.
template <class Op, class T, class To>
__global__ void short_kernel(const T* x, std::int64_t r, Divisor b, To* y, std::int64_t results) {
  for (std::int64_t i = first_index(); i < results; i += index_step()) {
    const Division at = divide(i, b);
    const T* from = x + at.quotient * r * b.value + at.rest;
    double state = Op::start();
#pragma unroll 4
    for (std::int64_t k = 0; k < r; ++k) state = Op::merge(state, static_cast<double>(from[k * b.value]));
    y[i] = static_cast<To>(state);
  }
}

template <class Op, class T, class Store>
void reduce_long(const T* x, std::int64_t a, std::int64_t r, std::int64_t b, const Store& store) {
  constexpr int kN = 16 / sizeof(T);
  const bool aligned = reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
  if (aligned && b == 1 && r % kN == 0)  // a run of elements is read as rows of kN columns that make one result
    return reduce_columns(Rows<Op, T, kN>{{}, x, r / kN, kN}, a, r / kN, kN, kN, store);
  if (aligned && b % kN == 0) return reduce_columns(Rows<Op, T, kN>{{}, x, r, b}, a, r, b, 1, store);
  reduce_columns(Rows<Op, T, 1>{{}, x, r, b}, a, r, b, 1, store);
}

template <class Op, class T, class To>
void reduce_axis(const T* x, std::int64_t a, std::int64_t r, std::int64_t b, To* y) {
  if (r <= 64 || (b >= 32 && a * b >= 1 << 18))
    return launch(short_kernel<Op, T, To>, grid_for(a * b), x, r, b, y, a * b);
  reduce_long<Op>(x, a, r, b, StoreAs<To>{y});
}

// Groups of adjacent axes of x that are all reduced or all kept.
struct Groups {
  int count = 0;
  std::int64_t extent[Shape::kMaxDims]{};
  bool reduced[Shape::kMaxDims]{};

  Groups(const Shape& x, const Shape& y) {
    for (int axis = 0; axis < x.dims(); ++axis) {
      if (x[axis] == 1) continue;
      const bool gone = y[axis] == 1;
      if (count == 0 || reduced[count - 1] != gone) {
        reduced[count] = gone;
        extent[count++] = 1;
      }
      extent[count - 1] *= x[axis];
    }
  }
  std::int64_t product(int begin, int end) const {
    std::int64_t n = 1;
    for (int i = begin; i < end; ++i) n *= extent[i];
    return n;
  }
  int last() const {  // the last reduced group, -1 if there is none
    int i = count - 1;
    while (i >= 0 && !reduced[i]) --i;
    return i;
  }
};

template <class Op, class T, class To>
void reduce_groups(const T* x, Groups groups, To* y) {
  const int last = groups.last();
  if (last < 0) return reduce_axis<Op>(x, groups.product(0, groups.count), 1, 1, y);
  const std::int64_t a = groups.product(0, last), r = groups.extent[last], b = groups.product(last + 1, groups.count);
  groups.extent[last] = 1;
  groups.reduced[last] = false;
  if (groups.last() < 0) return reduce_axis<Op>(x, a, r, b, y);
  const Scratch<double> middle(a * b);
  reduce_axis<Op>(x, a, r, b, middle.data());
  reduce_groups<Op, double, To>(middle.data(), groups, y);
}

}  // namespace

void CudaBackend::reduce(ReduceOp op, const Tensor& x, const Tensor& y) {
  if (small_reduce(op, x, y)) return;
  const Groups groups(x.shape(), y.shape());
  dispatch_stored(x.dtype(), "reduce", [&]<class T>(T) {
    switch (op) {
      case ReduceOp::sum: return reduce_groups<Sum>(x.data<T>(), groups, y.data<T>());
      case ReduceOp::max: return reduce_groups<Max>(x.data<T>(), groups, y.data<T>());
      case ReduceOp::min: return reduce_groups<Min>(x.data<T>(), groups, y.data<T>());
    }
  });
}

void CudaBackend::bias_gradient(const Tensor& dy, const Tensor& dbias) {
  const std::int64_t channels = dy.extent(-1);
  if (channels == 0) return;
  dispatch_stored(dy.dtype(), "bias_gradient", [&]<class T>(T) {
    reduce_axis<Sum>(dy.data<T>(), 1, dy.numel() / channels, channels, dbias.data<T>());
  });
}

double CudaBackend::sum_of_squares(const Tensor& x) {
  const Scratch<double> result(1);
  dispatch_float(x.dtype(), "sum_of_squares", [&]<class T>(T) {
    reduce_long<SumOfSquares>(x.data<T>(), 1, x.numel(), 1, StoreAs<double>{result.data()});
  });
  double total = 0;
  Context::get().to_host(&total, result.data(), sizeof total);
  return total;
}

}  // namespace voxgrad::cuda

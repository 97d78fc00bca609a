// Elementwise operations. Their formulas are in functors.h, and the loops are here.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/functors.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kElementwiseGrain = 32768;
constexpr std::int64_t kShortRow = 256;  // elements

// There is one loop per formula and type. It is called through a pointer for each part of a tensor.
template <class T>
struct UnaryStretch {
  T a, b;
  std::int64_t n;
  const T *x, *y, *dy;
  T* to;
};
template <class T>
struct BinaryStretch {
  std::int64_t n, p_step, q_step;
  const T *p, *q, *dy;
  T* to;
};
template <class T>
using UnaryKernel = void (*)(const UnaryStretch<T>&);
template <class T>
using BinaryKernel = void (*)(const BinaryStretch<T>&);

enum class Part { value, slope, slope_p, slope_q };

template <Part kPart, class T, class Functor>
void unary_kernel(const UnaryStretch<T>& s) {
  const Functor f{s.a, s.b};
  const T *x = s.x, *y = s.y, *dy = s.dy;
  T* to = s.to;
  if constexpr (kPart == Part::value) {
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = f.value(x[i]);
  } else {
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = dy[i] * f.slope(x[i], y[i]);
  }
}

// to[i] = f(i, p, q). The steps are constants in each branch, so that its loop can be vectorised.
template <class T, class F>
inline void along(const BinaryStretch<T>& s, const F& f) {
  const T *p = s.p, *q = s.q;
  T* to = s.to;
  if (s.p_step == 1 && s.q_step == 1) {
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = f(i, p[i], q[i]);
  } else if (s.p_step == 1) {
    const T b = *q;
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = f(i, p[i], b);
  } else if (s.q_step == 1) {
    const T a = *p;
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = f(i, a, q[i]);
  } else {  // y is larger than both
    const T a = *p, b = *q;
    VOXGRAD_INDEPENDENT for (std::int64_t i = 0; i < s.n; ++i) to[i] = f(i, a, b);
  }
}

template <Part kPart, class T, class Functor>
void binary_kernel(const BinaryStretch<T>& s) {
  const T* dy = s.dy;
  along(s, [=](std::int64_t i, T p, T q) {
    if constexpr (kPart == Part::value) return Functor::value(p, q);
    if constexpr (kPart == Part::slope_p) return dy[i] * Functor::slope_p(p, q);
    if constexpr (kPart == Part::slope_q) return dy[i] * Functor::slope_q(p, q);
  });
}

// clang-format off
#define VOXGRAD_UNARY_CASE(name, ...) \
  case UnaryOp::name: return unary_kernel<kPart, T, functors::unary_##name<T>>;
#define VOXGRAD_BINARY_CASE(name, ...) \
  case BinaryOp::name: return binary_kernel<kPart, T, functors::binary_##name<T>>;

template <Part kPart, class T>
UnaryKernel<T> kernel_of(UnaryOp op) {
  switch (op) { VOXGRAD_UNARY_TABLE(VOXGRAD_UNARY_CASE) }
  throw Error(ErrorKind::argument, "unary: no such operation");
}

template <Part kPart, class T>
BinaryKernel<T> kernel_of(BinaryOp op) {
  switch (op) { VOXGRAD_BINARY_TABLE(VOXGRAD_BINARY_CASE) }
  throw Error(ErrorKind::argument, "binary: no such operation");
}
// clang-format on

// The broadcast of p and q with as few axes as possible. Along the last axis each of them either advances or stays.
struct Broadcast {
  int axes = 0;
  std::array<std::int64_t, Shape::kMaxDims> extent{}, p_stride{}, q_stride{};  // last axis first
  std::int64_t rows = 1;

  Broadcast(const Shape& p, const Shape& q, const Shape& y) {
    std::int64_t p_step = 1, q_step = 1;
    for (int back = 1; back <= y.dims(); ++back) {
      const std::int64_t n = y[-back];
      const std::int64_t p_n = back <= p.dims() ? p[-back] : 1;
      const std::int64_t q_n = back <= q.dims() ? q[-back] : 1;
      if (n != 1) push(n, p_n == n ? p_step : 0, q_n == n ? q_step : 0);
      p_step *= p_n;
      q_step *= q_n;
    }
    if (axes == 0) push(1, 1, 1);
    for (int i = 1; i < axes; ++i) rows *= nth(extent, i);
  }

  // Where a row of y begins in p and q, and how many rows are left until an axis advances that is not one of the last
  // two.
  struct Row {
    std::int64_t p, q, left;
  };
  Row at(std::int64_t row) const {
    Row result{0, 0, extent[1] - row % extent[1]};
    for (int axis = 1; axis < axes; ++axis) {
      const std::int64_t index = row % nth(extent, axis);
      row /= nth(extent, axis);
      result.p += index * nth(p_stride, axis);
      result.q += index * nth(q_stride, axis);
    }
    return result;
  }

 private:
  void push(std::int64_t n, std::int64_t p, std::int64_t q) {
    if (axes > 0) {
      std::int64_t& last = nth(extent, axes - 1);
      if (p == nth(p_stride, axes - 1) * last && q == nth(q_stride, axes - 1) * last) {
        last *= n;
        return;
      }
    }
    nth(extent, axes) = n;
    nth(p_stride, axes) = p;
    nth(q_stride, axes) = q;
    ++axes;
  }
};

// One operand of a map with short rows. It is copied for many rows of y at once, so that they become one long row.
template <class T>
class LaidOut {
 public:
  // `row` is where the first of `count` rows begins. `step` is the distance along a row, and `stride` the distance from
  // row to row.
  const T* of(const T* row, std::int64_t n, std::int64_t step, std::int64_t stride, std::int64_t count) {
    if (step == 1 && stride == n) return row;
    if (stride == 0 && row == source_ && count <= count_) return memory_.data();
    memory_.resize(static_cast<std::size_t>(n * count));
    T* to = memory_.data();
    for (std::int64_t r = 0; r < count; ++r, to += n)
      if (step == 1)
        std::copy(row + r * stride, row + r * stride + n, to);
      else
        std::fill(to, to + n, row[r * stride]);
    source_ = row;
    count_ = count;
    return memory_.data();
  }

 private:
  const T* source_ = nullptr;
  std::int64_t count_ = 0;
  std::vector<T> memory_;
};

template <class T>
void run(BinaryKernel<T> kernel, const Tensor& p, const Tensor& q, const T* dy, const Tensor& y) {
  const Broadcast map(p.shape(), q.shape(), y.shape());
  const std::int64_t n = map.extent[0], p_step = map.p_stride[0], q_step = map.q_stride[0];
  const T *left = p.data<T>(), *right = q.data<T>();
  T* to = y.data<T>();
  if (n == 0) return;
  if (map.axes == 1)
    return parallel_for(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
      kernel({end - begin, p_step, q_step, left + begin * p_step, right + begin * q_step, dy ? dy + begin : nullptr,
              to + begin});
    });
  parallel_for(map.rows, std::max<std::int64_t>(1, kElementwiseGrain / n), [&](std::int64_t begin, std::int64_t end) {
    LaidOut<T> p_rows, q_rows;
    for (std::int64_t row = begin, count = 1; row < end; row += count) {
      const auto [p_row, q_row, rest] = map.at(row);
      const T* d = dy ? dy + row * n : nullptr;
      if (n >= kShortRow) {
        kernel({n, p_step, q_step, left + p_row, right + q_row, d, to + row * n});
        continue;
      }
      count = std::min({4 * kShortRow / n, rest, end - row});
      kernel({count * n, 1, 1, p_rows.of(left + p_row, n, p_step, map.p_stride[1], count),
              q_rows.of(right + q_row, n, q_step, map.q_stride[1], count), d, to + row * n});
    }
  });
}

template <class T>
void run(UnaryKernel<T> kernel, double a, double b, const Tensor& x, const T* y, const T* dy, const Tensor& to) {
  parallel_for(x.numel(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    kernel({static_cast<T>(a), static_cast<T>(b), end - begin, x.data<T>() + begin, y ? y + begin : nullptr,
            dy ? dy + begin : nullptr, to.data<T>() + begin});
  });
}

}  // namespace

void CpuBackend::unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "unary",
                 [&]<class T>(T) { run<T>(kernel_of<Part::value, T>(op), a, b, x, nullptr, nullptr, y); });
}

void CpuBackend::unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                                const Tensor& dx) {
  dispatch_float(x.dtype(), "unary",
                 [&]<class T>(T) { run<T>(kernel_of<Part::slope, T>(op), a, b, x, y.data<T>(), dy.data<T>(), dx); });
}

void CpuBackend::binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) {
  dispatch_float(y.dtype(), "binary", [&]<class T>(T) { run<T>(kernel_of<Part::value, T>(op), p, q, nullptr, y); });
}

void CpuBackend::binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                                 const Tensor& d) {
  dispatch_float(d.dtype(), "binary", [&]<class T>(T) {
    run<T>(side == 0 ? kernel_of<Part::slope_p, T>(op) : kernel_of<Part::slope_q, T>(op), p, q, dy.data<T>(), d);
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

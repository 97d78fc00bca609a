// Elementwise operations: the formulas are those of functors.h, here are the loops.
#include <algorithm>
#include <array>

#include "engine/functors.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 32768;

// clang-format off
#define VOXGRAD_UNARY_CASE(name, ...) \
  case UnaryOp::name: return run(T{}, functors::unary_##name<T>{static_cast<T>(a), static_cast<T>(b)});
#define VOXGRAD_BINARY_CASE(name, ...) \
  case BinaryOp::name: return run(T{}, functors::binary_##name<T>{});

template <class F>
void for_unary(UnaryOp op, DType dtype, double a, double b, const F& run) {
  dispatch_float(dtype, "unary", [&]<class T>(T) {
    switch (op) { VOXGRAD_UNARY_TABLE(VOXGRAD_UNARY_CASE) }
  });
}

template <class F>
void for_binary(BinaryOp op, DType dtype, const F& run) {
  dispatch_float(dtype, "binary", [&]<class T>(T) {
    switch (op) { VOXGRAD_BINARY_TABLE(VOXGRAD_BINARY_CASE) }
  });
}
// clang-format on

// The broadcast of p and q with as few axes as possible: along the last one each of them either advances or stays.
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
    for (std::size_t i = 1; i < static_cast<std::size_t>(axes); ++i) rows *= extent[i];
  }

 private:
  void push(std::int64_t n, std::int64_t p, std::int64_t q) {
    if (axes > 0) {
      const auto last = static_cast<std::size_t>(axes - 1);
      if (p == p_stride[last] * extent[last] && q == q_stride[last] * extent[last]) {
        extent[last] *= n;
        return;
      }
    }
    const auto next = static_cast<std::size_t>(axes++);
    extent[next] = n;
    p_stride[next] = p;
    q_stride[next] = q;
  }
};

// body(i, p, q, n, p_step, q_step): n elements from i of y on, from p and q of the operands on.
template <class Body>
void for_rows(const Broadcast& map, const Body& body) {
  const std::int64_t n = map.extent[0], p_step = map.p_stride[0], q_step = map.q_stride[0];
  if (map.axes == 1) {
    parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      body(begin, begin * p_step, begin * q_step, end - begin, p_step, q_step);
    });
    return;
  }
  if (n == 0) return;
  parallel_for(map.rows, std::max<std::int64_t>(1, kGrain / n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t p = 0, q = 0, rest = row;
      for (std::size_t axis = 1; axis < static_cast<std::size_t>(map.axes); ++axis) {
        const std::int64_t index = rest % map.extent[axis];
        rest /= map.extent[axis];
        p += index * map.p_stride[axis];
        q += index * map.q_stride[axis];
      }
      body(row * n, p, q, n, p_step, q_step);
    }
  });
}

// f(i, p, q) over a row, with the steps as constants where that lets the loop be vectorised.
template <class F>
inline void along(std::int64_t n, std::int64_t p_step, std::int64_t q_step, const F& f) {
  if (p_step == 1 && q_step == 1) {
    for (std::int64_t i = 0; i < n; ++i) f(i, i, i);
  } else if (p_step == 1) {
    for (std::int64_t i = 0; i < n; ++i) f(i, i, 0);
  } else if (q_step == 1) {
    for (std::int64_t i = 0; i < n; ++i) f(i, 0, i);
  } else {
    for (std::int64_t i = 0; i < n; ++i) f(i, 0, 0);
  }
}

}  // namespace

void CpuBackend::unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) {
  for_unary(op, x.dtype(), a, b, [&]<class T>(T, auto f) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    parallel_for(x.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = f.value(from[i]);
    });
  });
}

void CpuBackend::unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                                const Tensor& dx) {
  for_unary(op, x.dtype(), a, b, [&]<class T>(T, auto f) {
    const T *in = x.data<T>(), *out = y.data<T>(), *upstream = dy.data<T>();
    T* to = dx.data<T>();
    parallel_for(x.numel(), kGrain, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = upstream[i] * f.slope(in[i], out[i]);
    });
  });
}

void CpuBackend::binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) {
  const Broadcast map(p.shape(), q.shape(), y.shape());
  for_binary(op, y.dtype(), [&]<class T>(T, auto f) {
    const T *left = p.data<T>(), *right = q.data<T>();
    T* to = y.data<T>();
    for_rows(map, [=](std::int64_t i, std::int64_t l, std::int64_t r, std::int64_t n, std::int64_t l_step,
                      std::int64_t r_step) {
      along(n, l_step, r_step, [=](std::int64_t k, std::int64_t kl, std::int64_t kr) {
        to[i + k] = f.value(left[l + kl], right[r + kr]);
      });
    });
  });
}

void CpuBackend::binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                                 const Tensor& d) {
  const Broadcast map(p.shape(), q.shape(), d.shape());
  for_binary(op, d.dtype(), [&]<class T>(T, auto f) {
    const T *left = p.data<T>(), *right = q.data<T>(), *upstream = dy.data<T>();
    T* to = d.data<T>();
    for_rows(map, [=](std::int64_t i, std::int64_t l, std::int64_t r, std::int64_t n, std::int64_t l_step,
                      std::int64_t r_step) {
      along(n, l_step, r_step, [=](std::int64_t k, std::int64_t kl, std::int64_t kr) {
        const T a = left[l + kl], b = right[r + kr];
        to[i + k] = upstream[i + k] * (side == 0 ? f.slope_p(a, b) : f.slope_q(a, b));
      });
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

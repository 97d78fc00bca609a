// Softmax over the rows of the last axis, stable: the largest element is subtracted first.
#include <algorithm>
#include <cmath>

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 16384;

template <class T>
void softmax_row(const T* x, std::int64_t count, bool logarithm, T* y) {
  T largest = x[0];
  for (std::int64_t c = 1; c < count; ++c) largest = x[c] > largest ? x[c] : largest;
  T sum = 0;
  for (std::int64_t c = 0; c < count; ++c) {
    y[c] = x[c] - largest;
    const T e = std::exp(y[c]);
    if (!logarithm) y[c] = e;
    sum += e;
  }
  const T shift = logarithm ? std::log(sum) : T(0), scale = logarithm ? T(1) : T(1) / sum;
  for (std::int64_t c = 0; c < count; ++c) y[c] = (y[c] - shift) * scale;
}

// softmax: dx = y (dy - sum(y dy)); log_softmax: dx = dy - e^y sum(dy).
template <class T>
void gradient_row(const T* y, const T* dy, std::int64_t count, bool logarithm, T* dx) {
  T sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += logarithm ? dy[c] : y[c] * dy[c];
  for (std::int64_t c = 0; c < count; ++c) dx[c] = logarithm ? dy[c] - std::exp(y[c]) * sum : y[c] * (dy[c] - sum);
}

template <class F>
void for_rows(const Tensor& x, const F& row) {
  const std::int64_t channels = x.extent(-1);
  if (x.numel() == 0) return;
  parallel_for(x.numel() / channels, std::max<std::int64_t>(1, kGrain / channels),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) row(i * channels, channels);
               });
}

}  // namespace

void CpuBackend::softmax(bool logarithm, const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "softmax", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_rows(x, [=](std::int64_t i, std::int64_t count) { softmax_row(from + i, count, logarithm, to + i); });
  });
}

void CpuBackend::softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  dispatch_float(y.dtype(), "softmax", [&]<class T>(T) {
    const T *out = y.data<T>(), *upstream = dy.data<T>();
    T* to = dx.data<T>();
    for_rows(
        y, [=](std::int64_t i, std::int64_t count) { gradient_row(out + i, upstream + i, count, logarithm, to + i); });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

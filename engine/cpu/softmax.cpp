// The rows of the last axis: softmax and argmax. The softmax is stable, because the largest element is subtracted
// first.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/simd_math.h"
#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kSoftmaxGrain = 16384;
constexpr int kPart = 1024;  // channels of a partial sum: one long sum would lose its small terms

// Transposes the rows [begin, end) of a map, some at a time, to one array per channel. So the lanes of a vector are
// rows, whatever the number of channels is. It calls body(first row, count, z, stride). What lies behind the last row
// is zero or from older rows.
template <class T, class F>
void transposed_rows(const T* x, std::int64_t begin, std::int64_t end, int channels, const F& body) {
  constexpr std::int64_t kStep = 64;  // rows; a whole number of vectors of every instruction set
  const std::int64_t block = std::min(std::clamp<std::int64_t>(4096 / channels / kStep, 1, 16) * kStep,
                                      block_count(end - begin, kLanes<T>) * kLanes<T>);
  const Scratch<T> memory(block * channels);
  std::fill(memory.data(), memory.data() + block * channels, T(0));
  for (std::int64_t row = begin; row < end; row += block) {
    const int count = static_cast<int>(std::min(block, end - row));
    split(x + row * channels, channels, count, memory.data(), block);
    body(row, count, memory.data(), block);
  }
}

// Works in place: channel c of row i is z[c * stride + i].
template <class T>
void softmax_block(T* z, std::int64_t stride, int count, int channels, bool logarithm) {
  for (int i = 0; i < count; i += kLanes<T>, z += kLanes<T>) {
    Vec<T> largest = load(z), sum{};
    for (int c = 1; c < channels; ++c) {
      const Vec<T> zc = load(z + c * stride);
      largest = zc > largest ? zc : largest;
    }
    for (int first = 0; first < channels; first += kPart) {
      Vec<T> part{};
      for (int c = first; c < std::min(channels, first + kPart); ++c) {
        const Vec<T> d = load(z + c * stride) - largest, e = exp_of(d);
        store(z + c * stride, logarithm ? d : e);
        part += e;
      }
      sum += part;
    }
    const Vec<T> shift = logarithm ? log_of(sum) : Vec<T>{}, scale = logarithm ? splat(T(1)) : T(1) / sum;
    for (int c = 0; c < channels; ++c) store(z + c * stride, (load(z + c * stride) - shift) * scale);
  }
}

// Finds the first channel with the largest value. A NaN is larger than any number.
template <class T>
void argmax_block(const T* z, std::int64_t stride, int count, int channels, std::uint8_t* y) {
  constexpr int kStep = kLanes<T>;
  for (int i = 0; i < count; i += kStep) {
    Vec<T> largest = load(z + i), where{};
    for (int c = 1; c < channels; ++c) {
      const Vec<T> zc = load(z + c * stride + i);
      const auto better = (zc > largest) | ((zc != zc) & (largest == largest));
      largest = better ? zc : largest;
      where = better ? splat(static_cast<T>(c)) : where;
    }
    for (int k = 0; k < std::min(kStep, count - i); ++k) y[i + k] = static_cast<std::uint8_t>(where[k]);
  }
}

// The gradient of softmax is dx = y (dy - sum(y dy)), and that of log_softmax is dx = dy - e^y sum(dy).
template <bool kLogarithm, class T>
void gradient_rows(const T* y, const T* dy, std::int64_t rows, std::int64_t channels, T* dx) {
  for (std::int64_t i = 0; i < rows; ++i, y += channels, dy += channels, dx += channels) {
    double wide = 0;
    for (std::int64_t c = 0; c < channels; ++c) wide += static_cast<double>(kLogarithm ? dy[c] : y[c] * dy[c]);
    const T sum = static_cast<T>(wide);
    for (std::int64_t c = 0; c < channels; ++c)
      dx[c] = kLogarithm ? dy[c] - std::exp(y[c]) * sum : y[c] * (dy[c] - sum);
  }
}

// Calls body(begin, end, channels) over the rows of x.
template <class F>
void for_rows(const Tensor& x, const F& body) {
  const std::int64_t channels = x.extent(-1);
  if (x.numel() == 0) return;
  parallel_for(x.numel() / channels, std::max<std::int64_t>(1, kSoftmaxGrain / channels),
               [&](std::int64_t begin, std::int64_t end) { body(begin, end, channels); });
}

}  // namespace

void CpuBackend::softmax(bool logarithm, const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "softmax", [&]<class T>(T) {
    for_rows(x, [&](std::int64_t begin, std::int64_t end, std::int64_t channels) {
      const int width = static_cast<int>(channels);
      transposed_rows(x.data<T>(), begin, end, width, [&](std::int64_t row, int count, T* z, std::int64_t stride) {
        softmax_block(z, stride, count, width, logarithm);
        join(z, stride, width, count, y.data<T>() + row * channels);
      });
    });
  });
}

void CpuBackend::softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  dispatch_float(y.dtype(), "softmax", [&]<class T>(T) {
    const auto rows = logarithm ? gradient_rows<true, T> : gradient_rows<false, T>;
    for_rows(y, [&](std::int64_t begin, std::int64_t end, std::int64_t channels) {
      const std::int64_t at = begin * channels;
      rows(y.data<T>() + at, dy.data<T>() + at, end - begin, channels, dx.data<T>() + at);
    });
  });
}

void CpuBackend::argmax(const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "argmax", [&]<class T>(T) {
    for_rows(x, [&](std::int64_t begin, std::int64_t end, std::int64_t channels) {
      const int width = static_cast<int>(channels);
      transposed_rows(x.data<T>(), begin, end, width,
                      [&](std::int64_t row, int count, const T* z, std::int64_t stride) {
                        argmax_block(z, stride, count, width, y.data<std::uint8_t>() + row);
                      });
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

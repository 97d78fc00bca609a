// Softmax over the rows of the last axis, stable: the largest element is subtracted first.
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

constexpr std::int64_t kGrain = 16384;

// The rows [begin, end) of a map, some at a time, transposed to one array per channel: lanes run over rows, whatever
// the number of channels is.
template <class T>
void softmax_rows(const T* x, std::int64_t begin, std::int64_t end, int channels, bool logarithm, T* y) {
  constexpr std::int64_t kStep = 64;  // rows; a whole number of vectors of every instruction set
  const std::int64_t block = std::clamp<std::int64_t>(4096 / channels / kStep, 1, 16) * kStep;
  const Scratch<T> memory(block * channels);
  T* z = memory.data();
  std::fill(z, z + block * channels, T(0));  // behind the last row
  for (std::int64_t row = begin; row < end; row += block) {
    const int count = static_cast<int>(std::min(block, end - row));
    split(x + row * channels, channels, count, z, block);
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
      Vec<T> largest = load(z + i), sum{};
      for (int c = 1; c < channels; ++c) {
        const Vec<T> zc = load(z + c * block + i);
        largest = zc > largest ? zc : largest;
      }
      for (int c = 0; c < channels; ++c) {
        const Vec<T> d = load(z + c * block + i) - largest, e = exp_of(d);
        store(z + c * block + i, logarithm ? d : e);
        sum += e;
      }
      const Vec<T> shift = logarithm ? log_of(sum) : Vec<T>{}, scale = logarithm ? splat(T(1)) : T(1) / sum;
      for (int c = 0; c < channels; ++c) store(z + c * block + i, (load(z + c * block + i) - shift) * scale);
    }
    join(z, block, channels, count, y + row * channels);
  }
}

// softmax: dx = y (dy - sum(y dy)); log_softmax: dx = dy - e^y sum(dy).
template <class T>
void gradient_row(const T* y, const T* dy, std::int64_t channels, bool logarithm, T* dx) {
  T sum = 0;
  for (std::int64_t c = 0; c < channels; ++c) sum += logarithm ? dy[c] : y[c] * dy[c];
  for (std::int64_t c = 0; c < channels; ++c) dx[c] = logarithm ? dy[c] - std::exp(y[c]) * sum : y[c] * (dy[c] - sum);
}

// body(begin, end, channels) over the rows of x.
template <class F>
void for_rows(const Tensor& x, const F& body) {
  const std::int64_t channels = x.extent(-1);
  if (x.numel() == 0) return;
  parallel_for(x.numel() / channels, std::max<std::int64_t>(1, kGrain / channels),
               [&](std::int64_t begin, std::int64_t end) { body(begin, end, channels); });
}

}  // namespace

void CpuBackend::softmax(bool logarithm, const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "softmax", [&]<class T>(T) {
    for_rows(x, [&](std::int64_t begin, std::int64_t end, std::int64_t channels) {
      softmax_rows(x.data<T>(), begin, end, static_cast<int>(channels), logarithm, y.data<T>());
    });
  });
}

void CpuBackend::softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  dispatch_float(y.dtype(), "softmax", [&]<class T>(T) {
    for_rows(y, [&](std::int64_t begin, std::int64_t end, std::int64_t channels) {
      for (std::int64_t i = begin * channels; i < end * channels; i += channels)
        gradient_row(y.data<T>() + i, dy.data<T>() + i, channels, logarithm, dx.data<T>() + i);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

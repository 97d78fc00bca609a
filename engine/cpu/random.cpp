// Random tensors and dropout. Element i takes word i % 4 of philox(key, i / 4); of a normal block, words 0 and 1 make
// elements 0 and 1, words 2 and 3 make 2 and 3 (Box-Muller).
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "engine/random.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 16384;  // a multiple of 4

// write(i, block, count): the words of the elements i .. i + count.
template <class F>
void for_blocks(std::uint64_t key, std::int64_t numel, const F& write) {
  parallel_for(numel, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += 4)
      write(i, philox(key, static_cast<std::uint64_t>(i / 4)), std::min<std::int64_t>(4, end - i));
  });
}

template <class T>
void uniform(std::uint64_t key, double a, double b, T* y, std::int64_t numel) {
  // Rounding to T must not reach the ends, which to_unit() never does.
  const T low = static_cast<T>(a), high = static_cast<T>(b);
  const T smallest = std::nextafter(low, high), largest = std::nextafter(high, low);
  for_blocks(key, numel, [=](std::int64_t i, const PhiloxBlock& words, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k) {
      const T value = static_cast<T>(a + (b - a) * to_unit(words[static_cast<std::size_t>(k)]));
      y[i + k] = value == low ? smallest : value == high ? largest : value;
    }
  });
}

template <class T>
void normal(std::uint64_t key, double mean, double deviation, T* y, std::int64_t numel) {
  for_blocks(key, numel, [=](std::int64_t i, const PhiloxBlock& words, std::int64_t count) {
    for (std::int64_t k = 0; k < count; k += 2) {
      const double radius = std::sqrt(-2.0 * std::log(to_unit(words[static_cast<std::size_t>(k)])));
      const double angle = 2.0 * std::numbers::pi * to_unit(words[static_cast<std::size_t>(k) + 1]);
      y[i + k] = static_cast<T>(mean + deviation * radius * std::cos(angle));
      if (k + 1 < count) y[i + k + 1] = static_cast<T>(mean + deviation * radius * std::sin(angle));
    }
  });
}

}  // namespace

void CpuBackend::random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y) {
  dispatch_float(y.dtype(), "random", [&]<class T>(T) {
    if (distribution == Distribution::uniform)
      uniform(key, a, b, y.data<T>(), y.numel());
    else
      normal(key, a, b, y.data<T>(), y.numel());
  });
}

void CpuBackend::dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key, const Tensor& y) {
  dispatch_float(x.dtype(), "dropout", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T scale = probability < 1 ? static_cast<T>(1 / (1 - probability)) : T(0);
    if (!channelwise) {
      for_blocks(key, x.numel(), [=](std::int64_t i, const PhiloxBlock& words, std::int64_t count) {
        for (std::int64_t k = 0; k < count; ++k)
          to[i + k] = to_unit(words[static_cast<std::size_t>(k)]) < probability ? T(0) : from[i + k] * scale;
      });
      return;
    }
    const std::int64_t samples = x.extent(0), channels = x.extent(-1);
    if (x.numel() == 0) return;
    std::vector<T> factor(static_cast<std::size_t>(samples * channels));
    for_blocks(key, samples * channels, [&](std::int64_t i, const PhiloxBlock& words, std::int64_t count) {
      for (std::int64_t k = 0; k < count; ++k)
        factor[static_cast<std::size_t>(i + k)] =
            to_unit(words[static_cast<std::size_t>(k)]) < probability ? T(0) : scale;
    });
    const std::int64_t rows = x.numel() / (samples * channels);
    parallel_for(samples * rows, std::max<std::int64_t>(1, kGrain / channels),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const T* mask = factor.data() + row / rows * channels;
                     for (std::int64_t c = 0; c < channels; ++c)
                       to[row * channels + c] = mask[c] == T(0) ? T(0) : from[row * channels + c] * mask[c];
                   }
                 });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

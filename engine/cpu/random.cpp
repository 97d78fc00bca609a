// Random tensors and dropout. Element i takes word i % 4 of philox(key, i / 4); of a normal block, words 0 and 1 make
// elements 0 and 1, words 2 and 3 make 2 and 3 (Box-Muller).
#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/random.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kGrain = 16384;

// The words of the elements [first, first + kBatch): philox() of random.h for many counters at once.
constexpr std::int64_t kBatch = 256, kBlocks = kBatch / 4;

void philox_batch(std::uint64_t key, std::uint64_t counter, std::uint32_t* words) {
  std::uint32_t c0[kBlocks], c1[kBlocks], c2[kBlocks] = {}, c3[kBlocks] = {};
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    c0[i] = static_cast<std::uint32_t>(counter + i);
    c1[i] = static_cast<std::uint32_t>((counter + i) >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < kBlocks; ++i) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * c0[i], b = std::uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = static_cast<std::uint32_t>(b >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<std::uint32_t>(b);
      c2[i] = static_cast<std::uint32_t>(a >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<std::uint32_t>(a);
    }
  for (int i = 0; i < kBlocks; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

// write(i, words, count): the words of the elements i .. i + count.
template <class F>
void for_words(std::uint64_t key, std::int64_t numel, const F& write) {
  parallel_for(numel, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[kBatch];
    for (std::int64_t i = begin; i < end; i += kBatch) {
      philox_batch(key, static_cast<std::uint64_t>(i / 4), words);
      write(i, words, std::min(kBatch, end - i));
    }
  });
}

template <class T>
void uniform(std::uint64_t key, double a, double b, T* y, std::int64_t numel) {
  // Rounding to T must not reach the ends, which to_unit() never does.
  const T low = static_cast<T>(a), high = static_cast<T>(b);
  const T smallest = std::nextafter(low, high), largest = std::nextafter(high, low);
  for_words(key, numel, [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
    T* to = y + i;
    for (std::int64_t k = 0; k < count; ++k) {
      const T value = static_cast<T>(a + (b - a) * to_unit(words[k]));
      to[k] = value == low ? smallest : value == high ? largest : value;
    }
  });
}

template <class T>
void normal(std::uint64_t key, double mean, double deviation, T* y, std::int64_t numel) {
  for_words(key, numel, [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
    for (std::int64_t k = 0; k < count; k += 2) {
      const double radius = std::sqrt(-2.0 * std::log(to_unit(words[k])));
      const double angle = 2.0 * std::numbers::pi * to_unit(words[k + 1]);
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
  if (channelwise) {
    Shape shape = Shape::filled(x.dims(), 1);
    shape[0] = x.extent(0);
    shape[-1] = x.extent(-1);
    const Tensor mask = full(shape, 1, x.dtype());
    dropout(mask, probability, false, key, mask);
    return binary(BinaryOp::multiply, x, mask, y);
  }
  dispatch_float(x.dtype(), "dropout", [&]<class T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T scale = probability < 1 ? static_cast<T>(1 / (1 - probability)) : T(0);
    for_words(key, x.numel(), [=](std::int64_t i, const std::uint32_t* words, std::int64_t count) {
      for (std::int64_t k = 0; k < count; ++k)
        to[i + k] = from[i + k] * (to_unit(words[k]) < probability ? T(0) : scale);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

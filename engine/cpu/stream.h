// A feature map [R, C] as a flat stream of numbers. What belongs to a channel (a scale, a shift, a sum) repeats with
// period C. It is laid out once over a `period` of the stream, which is a multiple of C and of the vector width. So
// every vector is full whatever C is: there is no remainder per row, only one at the very end. Include this file after
// engine/cpu/isa.h.
#pragma once

#include <numeric>

namespace voxgrad::cpu::VOXGRAD_ISA {

struct ChannelStream {
  std::int64_t channels, numel;
  std::int64_t period;  // elements
  std::int64_t block;   // elements per unit of parallel work, a multiple of period
  std::int64_t blocks;

  ChannelStream(std::int64_t rows, std::int64_t c) : channels(c), numel(rows * c) {
    constexpr std::int64_t kBlock = 32768;
    period = period_of(c);
    block = std::max<std::int64_t>(1, kBlock / period) * period;
    blocks = block_count(numel, block);
  }
  static std::int64_t period_of(std::int64_t channels) {
    constexpr std::int64_t kShortest = 64;
    const std::int64_t fit = std::lcm(std::max<std::int64_t>(channels, 1), std::int64_t{kLanes<float>});
    return block_count(kShortest, fit) * fit;
  }

  std::int64_t begin(std::int64_t b) const { return b * block; }
  std::int64_t length(std::int64_t b) const { return std::min(block, numel - b * block); }

  // Writes value(c) to every position of the period.
  template <class T, class F>
  void lay_out(T* to, F&& value) const {
    for (std::int64_t c = 0; c < channels; ++c) to[c] = static_cast<T>(value(c));
    for (std::int64_t j = channels; j < period; ++j) to[j] = to[j - channels];
  }
  // The reverse: adds up what was collected over the period, per channel.
  void fold(const double* from, double* sums) const {
    for (std::int64_t c = 0; c < channels; ++c) sums[c] = from[c];
    for (std::int64_t j = channels; j < period; j += channels)
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += from[j + c];
  }
};

// The number of elements of a vector that are used, if that is all of them. The compiler knows it, so it costs nothing.
template <class T>
struct Full {
  constexpr operator int() const { return kLanes<T>; }  // NOLINT: it is a number
};

// Loads the first `count` elements and sets the lanes behind them to zero.
template <class T>
inline Vec<T> load_first(const T* p, Full<T>) {
  return load(p);
}
template <class T>
inline Vec<T> load_first(const T* p, int count) {
  return load_part(p, count);
}
template <class T>
inline void store_first(T* p, Vec<T> v, Full<T>) {
  store(p, v);
}
template <class T>
inline void store_first(T* p, Vec<T> v, int count) {
  store_part(p, v, count);
}

// Loads as many numbers as a vector of f64 holds and converts them to f64.
template <class T>
inline Vec<double> load_wide(const T* p, Full<double> = {}) {
  typedef T Narrow __attribute__((vector_size(kLanes<double> * sizeof(T))));
  Narrow v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Vec<double>);
}
template <class T>
inline Vec<double> load_wide(const T* p, int count) {
  T part[kLanes<double>] = {};
  std::memcpy(part, p, static_cast<std::size_t>(count) * sizeof(T));
  return load_wide(part);
}

// Calls f(i, j, count) for the vectors of type T of a part of the stream that begins with a period. The vector holds
// the elements i .. i + count of the part; j is the position of i in the period.
template <class T, class F>
inline void for_vectors(std::int64_t length, std::int64_t period, F&& f) {
  constexpr int kStep = kLanes<T>;
  std::int64_t i = 0;
  for (; i + period <= length; i += period)
    for (std::int64_t j = 0; j < period; j += kStep) f(i + j, j, Full<T>{});
  std::int64_t j = 0;
  for (; i + kStep <= length; i += kStep, j += kStep) f(i, j, Full<T>{});
  if (i < length) f(i, j, static_cast<int>(length - i));
}

// Computes two sums per position of the period, [2, period]; terms(i, j, count, first, second) adds to them. Several
// periods are done together, so that the sums stay in registers.
template <class F>
inline void collect(std::int64_t length, std::int64_t period, double* sums, const F& terms) {
  constexpr std::int64_t kPeriods = 8;
  std::fill(sums, sums + 2 * period, 0.0);
  const auto add = [&](std::int64_t i, std::int64_t j, std::int64_t periods, auto count) {
    Vec<double> first = load(sums + j), second = load(sums + period + j);
    for (std::int64_t k = 0; k < periods; ++k) terms(i + k * period, j, count, first, second);
    store(sums + j, first);
    store(sums + period + j, second);
  };
  std::int64_t done = 0;
  for (; done + kPeriods * period <= length; done += kPeriods * period)
    for (std::int64_t j = 0; j < period; j += kLanes<double>) add(done + j, j, kPeriods, Full<double>{});
  for_vectors<double>(length - done, period,
                      [&](std::int64_t i, std::int64_t j, auto count) { add(done + i, j, 1, count); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

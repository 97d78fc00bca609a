// Random numbers from a counter: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011). The n-th number of a stream is a pure function of (key, n), so results do not depend on threads or
// prefetching. Keys and generators are always passed explicitly; there is no global generator.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

namespace voxgrad {

using PhiloxBlock = std::array<std::uint32_t, 4>;

// The four random words of (key, counter, stream).
constexpr PhiloxBlock philox(std::uint64_t key, std::uint64_t counter, std::uint64_t stream = 0) {
  PhiloxBlock c{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

// Maps 32 random bits to a number in (0, 1), symmetric about 1/2 and never 0 or 1.
constexpr double to_unit(std::uint32_t bits) { return (static_cast<double>(bits) + 0.5) * 0x1p-32; }

class Random {
 public:
  struct State {
    std::uint64_t key = 0;
    std::uint64_t position = 0;  // number of words that were drawn
  };

  explicit Random(std::uint64_t seed = 0) : state_{mix(seed, 0), 0} {}
  explicit Random(State state) : state_(state) {}

  // An independent stream. It depends on the key of this stream and on `id`, not on how many numbers were drawn.
  Random fork(std::uint64_t id) const { return Random(State{mix(state_.key, id + 1), 0}); }

  std::uint32_t bits() {
    const PhiloxBlock block = philox(state_.key, state_.position / 4);
    return block[state_.position++ % 4];
  }
  std::uint64_t bits64() {
    const std::uint64_t high = bits();
    return high << 32 | bits();
  }
  double uniform() { return to_unit(bits()); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {  // Box-Muller
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }
  // Uniform in 0 .. n - 1 for n >= 1, without bias.
  std::int64_t below(std::int64_t n) {
    const std::uint64_t range = static_cast<std::uint64_t>(n);
    const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % range;
    std::uint64_t value = bits64();
    while (value >= limit) value = bits64();
    return static_cast<std::int64_t>(value % range);
  }
  bool chance(double probability) { return uniform() < probability; }
  template <class Container>
  void shuffle(Container& items) {  // Fisher-Yates
    for (std::int64_t i = static_cast<std::int64_t>(items.size()) - 1; i > 0; --i)
      std::swap(items[static_cast<std::size_t>(i)], items[static_cast<std::size_t>(below(i + 1))]);
  }

  std::uint64_t key() const { return state_.key; }
  State state() const { return state_; }

 private:
  static constexpr std::uint64_t mix(std::uint64_t key, std::uint64_t id) {
    const PhiloxBlock block = philox(key, id, 0x766F78677261640Aull);
    return std::uint64_t{block[0]} << 32 | block[1];
  }
  State state_;
};

}  // namespace voxgrad

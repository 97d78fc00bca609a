// Selects the largest values. It finds the key of the smallest value that is selected, and then compares all values
// with it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/keys.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kRankGrain = 32768;

// The key of the `count`-th largest of n elements, how many are larger, and how many have this key.
template <class T>
struct Rank {
  Key<T> key;
  std::int64_t larger, equal;
};

template <class K>
void bring_to_place(K* keys, std::int64_t n, std::int64_t rank) {
  std::nth_element(keys, keys + rank, keys + n, std::greater<K>());
}

// Returns two keys between which, most likely, the wanted one lies. They surround it in a sample.
template <class T>
std::pair<Key<T>, Key<T>> guess(const T* x, std::int64_t n, std::int64_t count) {
  const std::int64_t size = std::max<std::int64_t>(1024, n / 64), step = n / size;
  if (step < 8) return {0, ~Key<T>(0)};
  auto sample = zero_vector<Key<T>>(size);
  std::uint32_t shift =
      0;  // position in a step; it varies, so that the sample does not come from a few columns of an image
  for (std::int64_t i = 0; i < size; ++i, shift += 0x9E3779B9u)
    nth(sample, i) = key_of(x[i * step + static_cast<std::int64_t>(shift >> 16) * step / 65536]);
  const double share = static_cast<double>(count) / static_cast<double>(n), all = static_cast<double>(size);
  const double rank = share * all, margin = 4 * std::sqrt(share * (1 - share) * all) + 2;
  const auto upper = static_cast<std::int64_t>(rank - margin), lower = static_cast<std::int64_t>(rank + margin);
  Key<T>* keys = sample.data();
  const bool from_below = lower<size, from_above = upper> 0;
  if (from_below) bring_to_place(keys, size, lower);
  if (from_above) bring_to_place(keys, from_below ? lower : size, upper);
  return {from_below ? keys[lower] : 0, from_above ? keys[upper] : ~Key<T>(0)};
}

// Writes the keys of x [n] from `low` to `high` to `to`. Returns their number, and how many keys are larger.
template <class T>
std::pair<std::int64_t, std::int64_t> sift(const T* x, std::int64_t n, Key<T> low, Key<T> high, Key<T>* to) {
  constexpr std::int64_t kGroup = 64 / sizeof(T);
  std::int64_t kept = 0, larger = 0;
  for (std::int64_t first = 0; first < n; first += kGroup) {
    const std::int64_t some = std::min(kGroup, n - first);
    Key<T> keys[kGroup] = {}, above = 0, among = 0;  // among: one bit for each key
    for (std::int64_t i = 0; i < some; ++i) keys[i] = key_of(x[first + i]);
    for (std::int64_t i = 0; i < some; ++i) {
      above += keys[i] > high;
      among |= ((keys[i] >= low) & (keys[i] <= high)) ? Key<T>(1) << i : Key<T>(0);
    }
    larger += static_cast<std::int64_t>(above);
    for (; among != 0; among &= among - 1) to[kept++] = keys[std::countr_zero(among)];
  }
  return {kept, larger};
}

template <class T>
Rank<T> find_rank(const T* x, std::int64_t n, std::int64_t count, std::pair<Key<T>, Key<T>> between) {
  const auto [low, high] = between;
  const std::int64_t blocks = block_count(n, kRankGrain);
  const Scratch<Key<T>> memory(n);
  auto found = zero_vector<std::pair<std::int64_t, std::int64_t>>(blocks);
  parallel_for(n, kRankGrain, [&, low = low, high = high](std::int64_t begin, std::int64_t end) {
    const std::int64_t block = begin / kRankGrain;
    nth(found, block) = sift(x + begin, end - begin, low, high, memory.data() + begin);
  });
  std::int64_t larger = 0, kept = 0;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const auto [here, above] = nth(found, block);
    std::copy_n(memory.data() + block * kRankGrain, here, memory.data() + kept);
    kept += here;
    larger += above;
  }
  if (larger >= count || larger + kept < count) return find_rank(x, n, count, {0, ~Key<T>(0)});
  Key<T>* keys = memory.data();
  const std::int64_t rank = count - larger - 1;
  if (low < high) bring_to_place(keys, kept, rank);
  const Key<T> key = keys[rank];
  larger += std::count_if(keys, keys + rank, [&](Key<T> other) { return other > key; });
  return {key, larger, std::count(keys, keys + kept, key)};
}

template <class T>
void mark(const T* x, std::int64_t n, Key<T> least, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = key_of(x[i]) >= least ? T(1) : T(0);
}

template <class T>
void select(const T* x, std::int64_t n, std::int64_t count, T* y) {
  if (count == 0) return static_cast<void>(std::fill_n(y, n, T(0)));
  const auto [limit, larger, equal] = find_rank(x, n, count, guess(x, n, count));
  parallel_for(n, kRankGrain, [=, limit = limit](std::int64_t begin, std::int64_t end) {
    mark(x + begin, end - begin, limit, y + begin);
  });
  // Of several equal values at the end of the selection, the first ones are taken.
  std::int64_t excess = larger + equal - count;
  for (std::int64_t i = n - 1; excess > 0; --i)
    if (y[i] > T(0) && key_of(x[i]) == limit) y[i] = T(0), --excess;
}

}  // namespace

void CpuBackend::select_largest(const Tensor& x, std::int64_t count, const Tensor& y) {
  dispatch_float(x.dtype(), "select_largest", [&]<class T>(T) { select(x.data<T>(), x.numel(), count, y.data<T>()); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// Losses that rank voxels: selection of the largest values, and the slope of the Lovasz extension. Numbers are ranked
// by keys, unsigned integers in the same order, eleven bits at a time.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr int kDigit = 11, kBuckets = 1 << kDigit;
constexpr std::int64_t kGrain = 32768;

template <class T>
using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
inline constexpr int kBits = 8 * sizeof(T);

// Increases with x; NaN is larger than any number, -0 equals 0.
template <class T>
inline Key<T> key_of(T x) {
  constexpr Key<T> kSign = Key<T>(1) << (kBits<T> - 1);
  const auto bits = std::bit_cast<Key<T>>(x + T(0));
  const Key<T> key = bits ^ ((bits & kSign) != 0 ? ~Key<T>(0) : kSign);
  return x != x ? ~Key<T>(0) : key;
}

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

// Two keys with, most likely, the one that is looked for between them: what surrounds it in a sample.
template <class T>
std::pair<Key<T>, Key<T>> guess(const T* x, std::int64_t n, std::int64_t count) {
  const std::int64_t size = std::max<std::int64_t>(1024, n / 64), step = n / size;
  if (step < 8) return {0, ~Key<T>(0)};
  std::vector<Key<T>> sample(static_cast<std::size_t>(size));
  std::uint32_t shift = 0;  // where in a step, so that no column of an image is met again and again
  for (std::int64_t i = 0; i < size; ++i, shift += 0x9E3779B9u)
    sample[static_cast<std::size_t>(i)] = key_of(x[i * step + static_cast<std::int64_t>(shift >> 16) * step / 65536]);
  const double share = static_cast<double>(count) / static_cast<double>(n), all = static_cast<double>(size);
  const double rank = share * all, margin = 4 * std::sqrt(share * (1 - share) * all) + 2;
  const auto upper = static_cast<std::int64_t>(rank - margin), lower = static_cast<std::int64_t>(rank + margin);
  Key<T>* keys = sample.data();
  const bool from_below = lower<size, from_above = upper> 0;
  if (from_below) bring_to_place(keys, size, lower);
  if (from_above) bring_to_place(keys, from_below ? lower : size, upper);
  return {from_below ? keys[lower] : 0, from_above ? keys[upper] : ~Key<T>(0)};
}

// The keys of x [n] from `low` to `high` are written to `to`; returns their number, and how many keys are larger.
template <class T>
std::pair<std::int64_t, std::int64_t> sift(const T* x, std::int64_t n, Key<T> low, Key<T> high, Key<T>* to) {
  constexpr std::int64_t kGroup = 64 / sizeof(T);
  std::int64_t kept = 0, larger = 0;
  for (std::int64_t first = 0; first < n; first += kGroup) {
    const std::int64_t some = std::min(kGroup, n - first);
    Key<T> keys[kGroup] = {}, above = 0, among = 0;
    for (std::int64_t i = 0; i < some; ++i) keys[i] = key_of(x[first + i]);
    for (std::int64_t i = 0; i < some; ++i) {
      above += keys[i] > high;
      among += (keys[i] >= low) & (keys[i] <= high);
    }
    larger += static_cast<std::int64_t>(above);
    if (among == 0) continue;
    for (std::int64_t i = 0; i < some; ++i) {
      to[kept] = keys[i];
      kept += (keys[i] >= low) & (keys[i] <= high);
    }
  }
  return {kept, larger};
}

template <class T>
Rank<T> find_rank(const T* x, std::int64_t n, std::int64_t count, std::pair<Key<T>, Key<T>> between) {
  const auto [low, high] = between;
  const std::int64_t blocks = block_count(n, kGrain);
  const Scratch<Key<T>> memory(n + blocks);  // one more per block, which is written but does not count
  std::vector<std::pair<std::int64_t, std::int64_t>> found(static_cast<std::size_t>(blocks));
  parallel_for(n, kGrain, [&, low = low, high = high](std::int64_t begin, std::int64_t end) {
    const std::int64_t block = begin / kGrain;
    found[static_cast<std::size_t>(block)] = sift(x + begin, end - begin, low, high, memory.data() + begin + block);
  });
  std::int64_t larger = 0, kept = 0;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const auto [here, above] = found[static_cast<std::size_t>(block)];
    std::copy_n(memory.data() + block * (kGrain + 1), here, memory.data() + kept);
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
void select(const T* x, std::int64_t n, std::int64_t count, T* y) {
  if (count == 0) return static_cast<void>(std::fill_n(y, n, T(0)));
  const auto [limit, larger, equal] = find_rank(x, n, count, guess(x, n, count));
  parallel_for(n, kGrain, [=, limit = limit](std::int64_t begin, std::int64_t end) {
    const T* from = x;
    T* to = y;
    VOXGRAD_INDEPENDENT
    for (std::int64_t i = begin; i < end; ++i) to[i] = key_of(from[i]) >= limit ? T(1) : T(0);
  });
  // Of equal ones at the end of the selection the first are taken.
  std::int64_t excess = larger + equal - count;
  for (std::int64_t i = n - 1; excess > 0; --i)
    if (y[i] > T(0) && key_of(x[i]) == limit) y[i] = T(0), --excess;
}

template <class T>
struct Entry {
  Key<T> key;
  std::uint32_t voxel;  // and whether its label is the class, in the lowest bit
};

// Sorts by falling key; equal keys keep their order. Returns where the result lies, `a` or `b`. How many elements a
// digit has does not depend on their order, so all digits are counted in one go.
template <class T>
Entry<T>* sort(Entry<T>* a, Entry<T>* b, std::int64_t n) {
  constexpr int kDigits = (kBits<T> + kDigit - 1) / kDigit;
  const auto bucket = [](Key<T> key, int digit) { return (~key >> (digit * kDigit)) & Key<T>(kBuckets - 1); };
  std::vector<std::uint32_t> counts(std::size_t{kDigits} * kBuckets);
  for (std::int64_t i = 0; i < n; ++i)
    for (int digit = 0; digit < kDigits; ++digit)
      ++counts[static_cast<std::size_t>(digit) * kBuckets + bucket(a[i].key, digit)];
  for (int digit = 0; digit < kDigits; ++digit) {
    std::uint32_t* next = counts.data() + std::ptrdiff_t{digit} * kBuckets;
    if (*std::max_element(next, next + kBuckets) == n) continue;  // one bucket: nothing to do
    std::uint32_t first = 0;
    for (int k = 0; k < kBuckets; ++k) first += std::exchange(next[k], first);
    for (std::int64_t i = 0; i < n; ++i) b[next[bucket(a[i].key, digit)]++] = a[i];
    std::swap(a, b);
  }
  return a;
}

// One class over the voxels [begin, end). The Jaccard loss of the k largest errors is 1 - (G - f) / (G + k - f) with f
// of them in the class; an error in it takes 1 / union away, another one adds to the union.
template <class T>
void slope_of_class(const T* errors, const std::uint8_t* labels, std::int64_t begin, std::int64_t end,
                    std::int64_t channels, std::int64_t channel, int ignore, T* slope) {
  const int mine = channels == 1 ? 1 : static_cast<int>(channel);
  const Scratch<Entry<T>> memory(2 * (end - begin));
  std::int64_t n = 0, truth = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    slope[i * channels + channel] = T(0);
    if (labels[i] == ignore) continue;
    const bool inside = labels[i] == mine;
    memory.data()[n++] = {key_of(errors[i * channels + channel]),
                          static_cast<std::uint32_t>(i - begin) << 1 | static_cast<std::uint32_t>(inside)};
    truth += inside;
  }
  const Entry<T>* sorted = sort(memory.data(), memory.data() + (end - begin), n);
  double common = static_cast<double>(truth), all = common;
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t at = (begin + (sorted[k].voxel >> 1)) * channels + channel;
    if ((sorted[k].voxel & 1) != 0) {
      slope[at] = static_cast<T>(1 / all);
      common -= 1;
    } else {
      slope[at] = static_cast<T>(truth == 0 ? (k == 0 ? 1.0 : 0.0) : common / (all * (all + 1)));
      all += 1;
    }
  }
}

}  // namespace

void CpuBackend::select_largest(const Tensor& x, std::int64_t count, const Tensor& y) {
  dispatch_float(x.dtype(), "select_largest", [&]<class T>(T) { select(x.data<T>(), x.numel(), count, y.data<T>()); });
}

void CpuBackend::lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore, const Tensor& y) {
  const std::int64_t images = per_image ? errors.extent(0) : 1, channels = errors.extent(-1);
  const std::int64_t voxels = labels.numel() / std::max<std::int64_t>(images, 1);
  dispatch_float(errors.dtype(), "lovasz_slope", [&]<class T>(T) {
    parallel_for(images * channels, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i / channels * voxels;
        slope_of_class(errors.data<T>(), labels.data<std::uint8_t>(), first, first + voxels, channels, i % channels,
                       ignore, y.data<T>());
      }
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

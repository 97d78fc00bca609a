// Losses that rank voxels: selection of the largest values, and the slope of the Lovasz extension. Numbers are ranked
// by keys, unsigned integers in the same order, eleven bits at a time.
#include <algorithm>
#include <bit>
#include <cmath>
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
  if (std::isnan(x)) return ~Key<T>(0);
  const auto bits = std::bit_cast<Key<T>>(x + T(0));
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// The key of the `count`-th largest of n elements, how many are larger, and how many have this key. Digit by digit: a
// histogram of the elements that agree with the digits found so far says which bucket holds the one that is looked for.
template <class T>
struct Rank {
  Key<T> key;
  std::int64_t larger, equal;
};
template <class T>
Rank<T> find_rank(const T* x, std::int64_t n, std::int64_t count) {
  Key<T> found = 0;
  std::int64_t larger = 0, equal = 0;
  const Scratch<std::int64_t> histograms(block_count(n, kGrain) * kBuckets);
  for (int low = kBits<T>; low > 0;) {
    const int high = low;
    low = std::max(0, low - kDigit);
    parallel_for(block_count(n, kGrain), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        std::int64_t* histogram = histograms.data() + block * kBuckets;
        std::fill_n(histogram, kBuckets, 0);
        for (std::int64_t i = block * kGrain; i < std::min(n, (block + 1) * kGrain); ++i) {
          const Key<T> key = key_of(x[i]);
          if (high == kBits<T> || (key ^ found) >> high == 0)
            ++histogram[(key >> low) & ((Key<T>(1) << (high - low)) - 1)];
        }
      }
    });
    for (int bucket = (1 << (high - low)) - 1; bucket >= 0; --bucket) {
      std::int64_t here = 0;
      for (std::int64_t block = 0; block < block_count(n, kGrain); ++block)
        here += histograms.data()[block * kBuckets + bucket];
      if (larger + here < count) {
        larger += here;
        continue;
      }
      found |= static_cast<Key<T>>(bucket) << low;
      equal = here;
      break;
    }
  }
  return {found, larger, equal};
}

template <class T>
void select(const T* x, std::int64_t n, std::int64_t count, T* y) {
  if (count == 0) return static_cast<void>(std::fill_n(y, n, T(0)));
  const auto [limit, larger, equal] = find_rank(x, n, count);
  parallel_for(n, kGrain, [&, limit = limit](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = T(key_of(x[i]) >= limit);
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

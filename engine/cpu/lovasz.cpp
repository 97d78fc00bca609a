// The slope of the Lovasz extension of the Jaccard loss. The errors of a class are sorted. Then the slope of each
// follows from how many voxels inside and outside of the class have larger errors.
//
// To sort them, the errors are put into buckets by their leading bits, with all blocks of voxels in parallel, and every
// bucket is sorted by itself in the cache. Both steps keep the order of equal errors.
#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/keys.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kLovaszBlock = 16384;  // voxels per task
constexpr int kLeadingBits = 11, kBuckets = 1 << kLeadingBits;

// Two counts in one word, which are added together: all voxels, and those inside the class.
using Count = std::uint64_t;
constexpr Count one_voxel(bool inside) { return 1 | Count{inside} << 32; }
constexpr std::int64_t all_of(Count count) { return static_cast<std::int64_t>(count & 0xFFFFFFFFu); }
constexpr std::int64_t inside_of(Count count) { return static_cast<std::int64_t>(count >> 32); }

// One class of an image or of the batch.
template <class T>
struct Segment {
  const T* errors;  // of voxel i at i * stride, as its slope
  const std::uint8_t* labels;
  T* slope;
  std::int64_t n, stride;
  int mine, ignore;
};

// A key that rises where errors fall.
template <class T>
Key<T> rising_key(T error) {
  return static_cast<Key<T>>(~key_of(error));
}

template <class T>
struct Entry {
  Key<T> key;           // above the smallest one
  std::uint32_t voxel;  // and whether it is inside, in the lowest bit
};

// Sorts by rising key, digit by digit from the lowest one on. Returns where the result lies, `a` or `b`.
template <class T>
Entry<T>* sort(Entry<T>* a, Entry<T>* b, std::int64_t n) {
  constexpr int kMostBits = 10;
  constexpr std::int64_t kFew = 24;
  if (n <= kFew) {
    for (std::int64_t i = 1; i < n; ++i) {
      const Entry<T> entry = a[i];
      std::int64_t k = i;
      for (; k > 0 && a[k - 1].key > entry.key; --k) a[k] = a[k - 1];
      a[k] = entry;
    }
    return a;
  }
  Key<T> differing = 0;
  for (std::int64_t i = 1; i < n; ++i) differing |= a[i].key ^ a[0].key;
  const int bits = static_cast<int>(std::bit_width(differing));
  const int most = std::clamp(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n))), 5, kMostBits);
  const int digits = (bits + most - 1) / most;
  std::uint32_t next[1 << kMostBits];
  for (int digit = 0, low = 0; digit < digits; ++digit) {
    const int high = bits * (digit + 1) / digits;
    const Key<T> mask = (Key<T>(1) << (high - low)) - 1;
    std::fill_n(next, mask + 1, 0u);
    for (std::int64_t i = 0; i < n; ++i) ++next[a[i].key >> low & mask];
    std::uint32_t first = 0;
    for (std::uint32_t* count = next; count <= next + mask; ++count) first += std::exchange(*count, first);
    for (std::int64_t i = 0; i < n; ++i) b[next[a[i].key >> low & mask]++] = a[i];
    std::swap(a, b);
    low = high;
  }
  return a;
}

// How keys are put into buckets: by the leading bits of what they are above `low`, behind which there are `shift`
// further bits.
template <class T>
struct Leading {
  Key<T> low;
  int shift;
};

template <class T>
std::pair<Key<T>, Key<T>> range(const T* x, std::int64_t n) {
  Key<T> low = ~Key<T>(0), high = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const Key<T> key = rising_key(x[i]);
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  return {low, high};
}

template <class T>
Leading<T> leading_bits(const T* errors, std::int64_t n) {
  auto parts = zero_vector<std::pair<Key<T>, Key<T>>>(block_count(n, kLovaszBlock));
  parallel_for(n, kLovaszBlock, [&](std::int64_t begin, std::int64_t end) {
    nth(parts, begin / kLovaszBlock) = range(errors + begin, end - begin);
  });
  auto [low, high] = parts[0];
  for (const auto& part : parts) low = std::min(low, part.first), high = std::max(high, part.second);
  return {low, std::max(0, static_cast<int>(std::bit_width(high - low)) - kLeadingBits)};
}

// If the k voxels with the largest errors are wrong, the Jaccard loss is 1 - (G - f) / (G + k - f). The class has G
// voxels, f of them among the k, and the denominator is the union. The slope of a voxel is what it adds to this loss: a
// voxel of the class adds 1 / union; any other one enlarges the union by one. `before` counts the voxels with larger
// errors than the entries, whose keys rise.
template <class T>
void write_slopes(const Segment<T>& s, const Entry<T>* entries, std::int64_t n, Count before, Count total) {
  T* slope = s.slope;
  const std::int64_t stride = s.stride, truth = inside_of(total);
  if (truth == 0) {
    for (std::int64_t i = 0; i < n; ++i) slope[(entries[i].voxel >> 1) * stride] = T(before == 0 && i == 0);
    return;
  }
  double common = static_cast<double>(truth - inside_of(before));
  double all = static_cast<double>(truth + all_of(before) - inside_of(before));
  for (std::int64_t i = 0; i < n; ++i) {
    const bool inside = (entries[i].voxel & 1) != 0;
    slope[(entries[i].voxel >> 1) * stride] = static_cast<T>((inside ? 1 : common) / (inside ? all : all * (all + 1)));
    common -= inside ? 1 : 0;
    all += inside ? 0 : 1;
  }
}

// The second step of a counting sort. `counts` has, for each block, the number of its voxels in each bucket. Each
// number is replaced by the place where the block writes its first voxel of that bucket. Returns the place where each
// bucket begins, and at the end the total. The halves of a Count (one_voxel) are moved together.
std::vector<Count> places(Count* counts, std::int64_t blocks) {
  std::vector<Count> before(kBuckets + 1), next(kBuckets);
  for (std::int64_t block = 0; block < blocks; ++block)
    for (int k = 0; k < kBuckets; ++k) nth(before, k + 1) += counts[block * kBuckets + k];
  for (std::size_t k = 0; k < kBuckets; ++k) before[k + 1] += before[k];
  std::copy_n(before.begin(), kBuckets, next.begin());
  for (std::int64_t block = 0; block < blocks; ++block)
    for (int k = 0; k < kBuckets; ++k) {
      Count& count = counts[block * kBuckets + k];
      nth(next, k) += std::exchange(count, nth(next, k));
    }
  return before;
}

template <class T>
void count(const Segment<T> s, Leading<T> by, std::int64_t begin, std::int64_t end, Count* table) {
  std::fill_n(table, kBuckets, Count{0});
  for (std::int64_t i = begin; i < end; ++i)
    if (s.labels[i] != s.ignore)
      table[(rising_key(s.errors[i * s.stride]) - by.low) >> by.shift] += one_voxel(s.labels[i] == s.mine);
    else
      s.slope[i * s.stride] = T(0);
}

template <class T>
void scatter(const Segment<T> s, Leading<T> by, std::int64_t begin, std::int64_t end, Count* table, Entry<T>* entries) {
  for (std::int64_t i = begin; i < end; ++i) {
    if (s.labels[i] == s.ignore) continue;
    const Key<T> key = rising_key(s.errors[i * s.stride]) - by.low;
    const auto inside = static_cast<std::uint32_t>(s.labels[i] == s.mine);
    entries[all_of(table[key >> by.shift]++)] = {key, static_cast<std::uint32_t>(i) << 1 | inside};
  }
}

template <class T>
void slopes_of(const Segment<T>& s, Leading<T> by) {
  const std::int64_t blocks = block_count(s.n, kLovaszBlock);
  const Scratch<Count> counts(blocks * kBuckets);
  parallel_for(s.n, kLovaszBlock, [&](std::int64_t begin, std::int64_t end) {
    count(s, by, begin, end, counts.data() + begin / kLovaszBlock * kBuckets);
  });
  const std::vector<Count> before = places(counts.data(), blocks);
  const Scratch<Entry<T>> entries(all_of(before.back()));
  parallel_for(s.n, kLovaszBlock, [&](std::int64_t begin, std::int64_t end) {
    scatter(s, by, begin, end, counts.data() + begin / kLovaszBlock * kBuckets, entries.data());
  });
  std::vector<std::size_t> tasks{0};  // the bucket where each begins
  for (std::size_t k = 1; k <= kBuckets; ++k)
    if (k == kBuckets || all_of(before[k]) - all_of(before[tasks.back()]) >= kLovaszBlock) tasks.push_back(k);
  parallel_for(std::ssize(tasks) - 1, 1, [&](std::int64_t first, std::int64_t last) {
    const std::size_t begin = nth(tasks, first), end = nth(tasks, last);
    std::int64_t most = 0;
    for (std::size_t k = begin; k < end; ++k) most = std::max(most, all_of(before[k + 1]) - all_of(before[k]));
    const Scratch<Entry<T>> other(most);
    for (std::size_t k = begin; k < end; ++k) {
      const std::int64_t at = all_of(before[k]), n = all_of(before[k + 1]) - at;
      write_slopes(s, sort(entries.data() + at, other.data(), n), n, before[k], before.back());
    }
  });
}

}  // namespace

void CpuBackend::lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore, const Tensor& y) {
  const std::int64_t images = per_image ? errors.extent(0) : 1, channels = errors.extent(-1);
  const std::int64_t voxels = labels.numel() / std::max<std::int64_t>(images, 1), segments = images * channels;
  // Either many small segments are done in parallel, or one large one by several threads.
  const std::int64_t together = voxels < 4 * kLovaszBlock ? 1 : segments;
  if (errors.numel() == 0) return;
  dispatch_float(errors.dtype(), "lovasz_slope", [&]<class T>(T) {
    const Leading<T> by = leading_bits(errors.data<T>(), errors.numel());
    parallel_for(segments, together, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i / channels * voxels, channel = i % channels, at = first * channels + channel;
        slopes_of<T>({errors.data<T>() + at, labels.data<std::uint8_t>() + first, y.data<T>() + at, voxels, channels,
                      channels == 1 ? 1 : static_cast<int>(channel), ignore},
                     by);
      }
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

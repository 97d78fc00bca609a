// Losses that rank voxels: selection of the largest values, and the slope of the Lovasz extension. Numbers are ranked
// by keys, unsigned integers in the same order.
#include <cub/cub.cuh>

#include <bit>
#include <type_traits>

#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {
namespace {

template <class T>
using Key = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// Increases with x; NaN is larger than any number, -0 equals 0.
template <class T>
__device__ inline Key<T> key_of(T x) {
  constexpr Key<T> kSign = Key<T>(1) << (8 * sizeof(T) - 1);
  if (x != x) return ~Key<T>(0);
  x += T(0);
  Key<T> bits;
  memcpy(&bits, &x, sizeof bits);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// Selection, digit by digit: a histogram of the elements that agree with the digits found so far says which digit the
// `count`-th largest element has next. Of equal elements the first is the larger one: the digits of the key are
// followed by those of the place, counted from the end. So what is found is one element, and everything from it upwards
// is selected.
constexpr int kDigit = 8, kDigits = 1 << kDigit;

struct Found {
  std::uint64_t key = 0, place = 0;  // digits found so far
  unsigned long long larger = 0;     // elements known to be larger
};

// Which digits are looked at: `shift` in the key, or in the place.
struct Digit {
  int shift;
  bool of_place;
};

__device__ inline std::uint64_t place_of(std::int64_t i, std::int64_t n) {
  return static_cast<std::uint64_t>(n - 1 - i);
}

// The digit of an element, or -1 if it differs from what is found in the digits above.
__device__ inline int digit_of(std::uint64_t key, std::uint64_t place, const Found& found, Digit digit) {
  const std::uint64_t value = digit.of_place ? place : key, known = digit.of_place ? found.place : found.key;
  if (digit.of_place && key != found.key) return -1;
  const int above = digit.shift + kDigit;
  if (above < 64 && (value ^ known) >> above != 0) return -1;
  return static_cast<int>(value >> digit.shift & (kDigits - 1));
}

// Counts are integers: the order in which they are added does not matter. One thread per digit clears and stores.
template <class T>
__global__ void histogram_kernel(const T* x, std::int64_t n, const Found* found, Digit digit,
                                 unsigned long long* histogram) {
  __shared__ unsigned counts[kDigits];
  counts[thread_index()] = 0;
  __syncthreads();
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const int mine = digit_of(key_of(x[i]), place_of(i, n), *found, digit);
    if (mine >= 0) add_count(&counts[mine], 1u);
  }
  __syncthreads();
  if (counts[thread_index()] > 0)
    add_count(&histogram[thread_index()], static_cast<unsigned long long>(counts[thread_index()]));
}

// One block, one thread per digit: the digit with which the number of larger elements reaches `count`. Leaves the
// histogram empty.
__global__ void choose_kernel(unsigned long long* histogram, unsigned long long count, Digit digit, Found* found) {
  __shared__ unsigned long long upwards[kDigits];  // elements with this digit or a larger one
  const int mine = thread_index();
  // All have read what one of them changes at the end, because barriers follow.
  const unsigned long long here = histogram[mine], larger = found->larger;
  histogram[mine] = 0;
  upwards[mine] = here;
  for (int step = 1; step < kDigits; step *= 2) {
    __syncthreads();
    const unsigned long long more = mine + step < kDigits ? upwards[mine + step] : 0;
    __syncthreads();
    upwards[mine] += more;
  }
  const unsigned long long above = larger + upwards[mine] - here;
  if (above >= count || above + here < count) return;
  (digit.of_place ? found->place : found->key) |= static_cast<std::uint64_t>(mine) << digit.shift;
  found->larger = above;
}

template <class T>
__global__ void select_kernel(const T* x, std::int64_t n, const Found* found, T* y) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const std::uint64_t key = key_of(x[i]);
    y[i] = T(key > found->key || (key == found->key && place_of(i, n) >= found->place));
  }
}

template <class T>
void select(const T* x, std::int64_t n, std::int64_t count, T* y) {
  const Scratch<Found> found(1);
  const Scratch<unsigned long long> histogram(kDigits);
  check_cuda(cudaMemsetAsync(found.data(), 0, sizeof(Found), stream()), "select_largest");
  check_cuda(cudaMemsetAsync(histogram.data(), 0, kDigits * sizeof(unsigned long long), stream()), "select_largest");
  const auto step = [&](Digit digit) {
    constexpr std::int64_t kElements = 16 * kDigits, kMostBlocks = 1024;
    const std::int64_t blocks = std::min(kMostBlocks, (n + kElements - 1) / kElements);
    launch(histogram_kernel<T>, {blocks, kDigits}, x, n, found.data(), digit, histogram.data());
    launch(choose_kernel, {1, kDigits}, histogram.data(), static_cast<unsigned long long>(count), digit, found.data());
  };
  const int places = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n - 1)));
  for (int shift = 8 * static_cast<int>(sizeof(T)) - kDigit; shift >= 0; shift -= kDigit) step({shift, false});
  for (int shift = (places - 1) / kDigit * kDigit; shift >= 0 && places > 0; shift -= kDigit) step({shift, true});
  launch(select_kernel<T>, grid_for(n), x, n, found.data(), y);
}

// The slope of the Lovasz extension: all errors are sorted by falling key, then by segment, which is a class of an
// image or of the batch. Both sorts are stable, so equal errors keep their order.
struct Segments {
  Divisor channels, length;  // voxels of a segment; the voxels of an image follow one another
  std::uint32_t count;
  __device__ std::uint32_t of(std::uint32_t element) const {
    const Division voxel = divide(element, channels);
    return static_cast<std::uint32_t>(divide(voxel.quotient, length).quotient * channels.value + voxel.rest);
  }
};

// Ignored voxels come last: no error has this key.
template <class T>
__global__ void keys_kernel(const T* errors, const std::uint8_t* labels, std::int64_t n, Divisor channels, int ignore,
                            Key<T>* keys, std::uint32_t* elements) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    keys[i] = labels[divide(i, channels).quotient] == ignore ? ~Key<T>(0) : ~key_of(errors[i]);
    elements[i] = static_cast<std::uint32_t>(i);
  }
}

__global__ void segments_kernel(const std::uint32_t* elements, std::int64_t n, Segments segments, std::uint32_t* of) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) of[i] = segments.of(elements[i]);
}

// Whether the label of an element is its class.
__device__ inline bool is_inside(const std::uint8_t* labels, std::uint32_t element, const Divisor& channels,
                                 int ignore) {
  const Division voxel = divide(element, channels);
  const int label = labels[voxel.quotient];
  return label != ignore && label == (channels.value == 1 ? 1 : static_cast<int>(voxel.rest));
}

__global__ void inside_kernel(const std::uint32_t* elements, const std::uint8_t* labels, std::int64_t n,
                              Divisor channels, int ignore, std::uint32_t* inside) {
  for (std::int64_t i = first_index(); i < n; i += index_step())
    inside[i] = is_inside(labels, elements[i], channels, ignore);
}

// The Jaccard loss of the k largest errors is 1 - (G - f) / (G + k - f) with f of them in the class; an error in it
// takes 1 / union away, another one adds to the union. insides[i]: how many of the sorted elements up to i are in it.
template <class T>
__global__ void slope_kernel(const std::uint32_t* elements, const std::uint32_t* insides, const std::uint8_t* labels,
                             std::int64_t n, Segments segments, int ignore, T* slope) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const std::uint32_t element = elements[i];
    const std::int64_t k = divide(i, segments.length).rest, begin = i - k;
    const std::uint32_t earlier = begin > 0 ? insides[begin - 1] : 0;
    const bool inside = is_inside(labels, element, segments.channels, ignore);
    const double truth = insides[begin + segments.length.value - 1] - earlier;
    const double found = insides[i] - earlier - inside;  // before this one
    const double common = truth - found, all = truth + (static_cast<double>(k) - found);
    double result = 1 / all;
    if (!inside) result = truth == 0 ? (k == 0 ? 1.0 : 0.0) : common / (all * (all + 1));
    slope[element] = labels[divide(element, segments.channels).quotient] == ignore ? T(0) : static_cast<T>(result);
  }
}

// Calls an algorithm of CUB, which wants to be asked first how much memory it needs.
template <class Call>
void with_memory(Call call) {
  std::size_t bytes = 0;
  check_cuda(call(nullptr, bytes), "lovasz_slope");
  const Scratch<unsigned char> memory(static_cast<std::int64_t>(bytes));
  check_cuda(call(memory.data(), bytes), "lovasz_slope");
}

template <class K>
void sort(const K* keys, K* sorted_keys, const std::uint32_t* values, std::uint32_t* sorted_values, std::uint32_t n,
          int bits) {
  with_memory([&](void* memory, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, sorted_keys, values, sorted_values, n, 0, bits,
                                           stream());
  });
}

template <class T>
void slopes(const T* errors, const std::uint8_t* labels, std::int64_t n, Segments segments, int ignore, T* slope) {
  check(n <= std::int64_t{0xffffffff}, "lovasz_slope: device cuda takes less than 2^32 elements, got ", n);
  const auto count = static_cast<std::uint32_t>(n);
  const Scratch<Key<T>> keys(n), sorted_keys(n);
  const Scratch<std::uint32_t> elements(n), sorted(n), of(n), sorted_of(n);
  launch(keys_kernel<T>, grid_for(n), errors, labels, n, segments.channels, ignore, keys.data(), elements.data());
  sort(keys.data(), sorted_keys.data(), elements.data(), sorted.data(), count, 8 * static_cast<int>(sizeof(T)));
  launch(segments_kernel, grid_for(n), sorted.data(), n, segments, of.data());
  sort(of.data(), sorted_of.data(), sorted.data(), elements.data(), count,
       std::max(1, static_cast<int>(std::bit_width(segments.count - 1))));
  std::uint32_t *inside = of.data(), *insides = sorted_of.data();
  launch(inside_kernel, grid_for(n), elements.data(), labels, n, segments.channels, ignore, inside);
  with_memory([&](void* memory, std::size_t& bytes) {
    return cub::DeviceScan::InclusiveSum(memory, bytes, inside, insides, count, stream());
  });
  launch(slope_kernel<T>, grid_for(n), elements.data(), insides, labels, n, segments, ignore, slope);
}

}  // namespace

void CudaBackend::select_largest(const Tensor& x, std::int64_t count, const Tensor& y) {
  if (count == 0) return fill(y, 0);
  dispatch_float(x.dtype(), "select_largest", [&]<class T>(T) { select(x.data<T>(), x.numel(), count, y.data<T>()); });
}

void CudaBackend::lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore,
                               const Tensor& y) {
  if (errors.numel() == 0) return;
  const std::int64_t images = per_image ? errors.extent(0) : 1, channels = errors.extent(-1);
  const Segments segments{channels, labels.numel() / images, static_cast<std::uint32_t>(images * channels)};
  dispatch_float(errors.dtype(), "lovasz_slope", [&]<class T>(T) {
    slopes(errors.data<T>(), labels.data<std::uint8_t>(), errors.numel(), segments, ignore, y.data<T>());
  });
}

}  // namespace voxgrad::cuda

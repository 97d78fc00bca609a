// Labels: the likeliest class, the largest label, values that depend on a label only.
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/strided.h"

namespace voxgrad::cuda {
namespace {

// The first channel with the largest value; a NaN is larger than any number.
template <class T>
__global__ void argmax_kernel(const T* x, std::int64_t rows, int channels, std::uint8_t* y) {
  for (std::int64_t i = first_index(); i < rows; i += index_step()) {
    const T* z = x + i * channels;
    T largest = z[0];
    int where = 0;
    for (int c = 1; c < channels; ++c) {
      const T zc = z[c];
      const bool better = zc > largest || (zc != zc && largest == largest);
      largest = better ? zc : largest;
      where = better ? c : where;
    }
    y[i] = static_cast<std::uint8_t>(where);
  }
}

struct Larger {
  __device__ int operator()(int a, int b) const { return a > b ? a : b; }
};

// Of every block; -1: none.
__global__ void largest_kernel(const std::uint8_t* labels, std::int64_t n, int ignore, int* largest) {
  int here = -1;
  for (std::int64_t i = first_index(); i < n; i += index_step())
    if (labels[i] != ignore) here = Larger{}(here, labels[i]);
  here = block_reduce(here, Larger{});
  if (thread_index() == 0) largest[block_index()] = here;
}

// Blocks that find different labels beyond the classes: one of them is reported.
__global__ void check_kernel(const std::uint8_t* labels, std::int64_t n, int classes, int ignore, int* fault) {
  int here = -1;
  for (std::int64_t i = first_index(); i < n; i += index_step())
    if (labels[i] != ignore) here = Larger{}(here, labels[i]);
  here = block_reduce(here, Larger{});
  if (thread_index() == 0 && here >= classes) *fault = classes * 256 + here;
}

template <class T>
__global__ void lookup_kernel(const double* table, std::int64_t known, Divisor width, const std::uint8_t* labels,
                              std::int64_t n, T* y) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const Division at = divide(i, width);
    const std::int64_t label = labels[at.quotient];
    y[i] = label < known ? static_cast<T>(table[label * width.value + at.rest]) : T(0);
  }
}

}  // namespace

void CudaBackend::argmax(const Tensor& x, const Tensor& y) {
  dispatch_float(x.dtype(), "argmax", [&]<class T>(T) {
    launch(argmax_kernel<T>, grid_for(y.numel()), x.data<T>(), y.numel(), static_cast<int>(x.extent(-1)),
           y.data<std::uint8_t>());
  });
}

std::int64_t CudaBackend::largest_label(const Tensor& labels, int ignore) {
  if (labels.numel() == 0) return -1;
  constexpr std::int64_t kMostBlocks = 256;
  const std::int64_t blocks = std::min(kMostBlocks, grid_for(labels.numel()).blocks);
  const Scratch<int> largest(blocks);
  launch(largest_kernel, blocks, labels.data<std::uint8_t>(), labels.numel(), ignore, largest.data());
  std::vector<int> of_blocks(static_cast<std::size_t>(blocks));
  Context::get().to_host(of_blocks.data(), largest.data(), of_blocks.size() * sizeof(int));
  return *std::max_element(of_blocks.begin(), of_blocks.end());
}

void CudaBackend::check_labels(const Tensor& labels, std::int64_t classes, int ignore) {
  constexpr std::int64_t kMostBlocks = 256;
  if (labels.numel() == 0 || classes > 255) return;
  launch(check_kernel, std::min(kMostBlocks, grid_for(labels.numel()).blocks), labels.data<std::uint8_t>(),
         labels.numel(), static_cast<int>(classes), ignore, Context::get().fault());
}

void CudaBackend::lookup(const Tensor& table, const Tensor& labels, const Tensor& y) {
  dispatch_float(y.dtype(), "lookup", [&]<class T>(T) {
    launch(lookup_kernel<T>, grid_for(y.numel()), table.data<double>(), table.extent(0), table.extent(1),
           labels.data<std::uint8_t>(), y.numel(), y.data<T>());
  });
}

}  // namespace voxgrad::cuda

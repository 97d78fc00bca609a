// Softmax over the rows of the last axis and its gradient. A block brings some rows into shared memory, in the order in
// which they lie, so that reading and writing are full speed for any number of channels; then a thread takes a row.
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"

namespace voxgrad::cuda {
namespace {

constexpr int kThreads = 128;

// The sum of term(0) .. term(n - 1), some at a time: one long sum would lose its small terms.
template <class T, class F>
__device__ T sum_terms(std::int64_t n, const F& term) {
  constexpr std::int64_t kTerms = 1024;
  double total = 0;
  for (std::int64_t first = 0; first < n; first += kTerms) {
    T part = 0;
    for (std::int64_t c = first; c < n && c < first + kTerms; ++c) part += term(c);
    total += static_cast<double>(part);
  }
  return static_cast<T>(total);
}

// Stable: the largest element is subtracted first.
template <class T>
struct Softmax {
  static constexpr int kInputs = 1;
  bool logarithm;
  __device__ void operator()(T* row, const T*, std::int64_t channels) const {
    T largest = row[0];
    for (std::int64_t c = 1; c < channels; ++c) largest = row[c] > largest ? row[c] : largest;
    const T sum = sum_terms<T>(channels, [&](std::int64_t c) {
      const T d = row[c] - largest, e = std::exp(d);
      row[c] = logarithm ? d : e;
      return e;
    });
    const T shift = logarithm ? std::log(sum) : T(0), scale = logarithm ? T(1) : T(1) / sum;
    for (std::int64_t c = 0; c < channels; ++c) row[c] = (row[c] - shift) * scale;
  }
};

// row: dy, becomes dx. softmax: dx = y (dy - sum(y dy)); log_softmax: dx = dy - e^y sum(dy).
template <class T>
struct SoftmaxGradient {
  static constexpr int kInputs = 2;
  bool logarithm;
  __device__ void operator()(T* row, const T* y, std::int64_t channels) const {
    const T sum = sum_terms<T>(channels, [&](std::int64_t c) { return logarithm ? row[c] : y[c] * row[c]; });
    for (std::int64_t c = 0; c < channels; ++c)
      row[c] = logarithm ? row[c] - std::exp(y[c]) * sum : y[c] * (row[c] - sum);
  }
};

// `tile` rows at a time; second may be null.
template <class T, class F>
__global__ void rows_kernel(F f, const T* x, const T* second, T* y, std::int64_t rows, std::int64_t channels,
                            std::int64_t tile) {
  T* values = dynamic_shared<T>();
  T* others = values + tile * channels;
  for (std::int64_t row = block_index() * tile; row < rows; row += static_cast<std::int64_t>(gridDim.x) * tile) {
    const std::int64_t count = (rows - row < tile ? rows - row : tile), at = row * channels;
    for (std::int64_t i = thread_index(); i < count * channels; i += block_size()) {
      values[i] = x[at + i];
      if (second) others[i] = second[at + i];
    }
    __syncthreads();
    for (std::int64_t i = thread_index(); i < count; i += block_size())
      f(values + i * channels, others + i * channels, channels);
    __syncthreads();
    for (std::int64_t i = thread_index(); i < count * channels; i += block_size()) y[at + i] = values[i];
    __syncthreads();
  }
}

// Rows that do not fit into shared memory: in place in y.
template <class T, class F>
__global__ void long_rows_kernel(F f, const T* x, const T* second, T* y, std::int64_t rows, std::int64_t channels) {
  for (std::int64_t row = first_index(); row < rows; row += index_step()) {
    const std::int64_t at = row * channels;
    for (std::int64_t c = 0; c < channels; ++c) y[at + c] = x[at + c];
    f(y + at, second + at, channels);
  }
}

template <class T, class F>
void run(const F& f, const T* x, const T* second, T* y, std::int64_t rows, std::int64_t channels) {
  constexpr std::int64_t kShared = 32 * 1024, kBlocks = 8192;
  const std::int64_t row_bytes = channels * F::kInputs * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t tile = std::min<std::int64_t>(kThreads, kShared / std::max<std::int64_t>(1, row_bytes));
  if (tile == 0) return launch(long_rows_kernel<T, F>, grid_for(rows, 64), f, x, second, y, rows, channels);
  launch(rows_kernel<T, F>,
         Grid(std::min(kBlocks, (rows + tile - 1) / tile), kThreads, static_cast<std::size_t>(tile * row_bytes)), f, x,
         second, y, rows, channels, tile);
}

}  // namespace

void CudaBackend::softmax(bool logarithm, const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return;
  dispatch_float(x.dtype(), "softmax", [&]<class T>(T) {
    const T* none = nullptr;
    run(Softmax<T>{logarithm}, x.data<T>(), none, y.data<T>(), x.numel() / x.extent(-1), x.extent(-1));
  });
}

void CudaBackend::softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) {
  if (y.numel() == 0) return;
  dispatch_float(y.dtype(), "softmax", [&]<class T>(T) {
    run(SoftmaxGradient<T>{logarithm}, dy.data<T>(), static_cast<const T*>(y.data<T>()), dx.data<T>(),
        y.numel() / y.extent(-1), y.extent(-1));
  });
}

}  // namespace voxgrad::cuda

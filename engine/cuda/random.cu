// Random tensors and dropout: the numbers of engine/random.h. Element i takes word i % 4 of philox(key, i / 4); of a
// normal block, words 0 and 1 make elements 0 and 1, words 2 and 3 make 2 and 3 (Box-Muller). So the words, and with
// them the masks of dropout, are those of the CPU.
#include "engine/random.h"

#include <cmath>

#include "engine/cuda/bf16.h"
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"

namespace voxgrad::cuda {
namespace {

// The key is an argument of the kernel: a replay would draw the same numbers again.
void check_not_recorded() {
  check(Context::get().recorder() == nullptr, "cuda: other random numbers in every step cannot be recorded");
}

// Rounding to T must not reach the ends, which to_unit() never does.
template <class T>
struct Uniform {
  double a, b;
  T low, high, smallest, largest;
  __device__ void operator()(const PhiloxBlock& words, T (&out)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const T value = static_cast<T>(a + (b - a) * to_unit(words[static_cast<std::size_t>(k)]));
      out[k] = value == low ? smallest : value == high ? largest : value;
    }
  }
};

template <class T>
struct Normal {
  double mean, deviation;
  __device__ void operator()(const PhiloxBlock& words, T (&out)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; k += 2) {
      const double radius = std::sqrt(-2 * std::log(to_unit(words[static_cast<std::size_t>(k)])));
      const double angle = 2 * 3.14159265358979323846 * to_unit(words[static_cast<std::size_t>(k) + 1]);
      out[k] = static_cast<T>(mean + deviation * (radius * std::cos(angle)));
      out[k + 1] = static_cast<T>(mean + deviation * (radius * std::sin(angle)));
    }
  }
};

// A thread makes the four elements of a block.
template <class Numbers, class T>
__global__ void random_kernel(Numbers numbers, std::uint64_t key, T* y, std::int64_t n) {
  for (std::int64_t block = first_index(); block < (n + 3) / 4; block += index_step()) {
    T values[4];
    numbers(philox(key, static_cast<std::uint64_t>(block)), values);
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (block * 4 + k < n) y[block * 4 + k] = values[k];
  }
}

template <class T>
__global__ void dropout_kernel(std::uint64_t key, double probability, Work<T> kept, const T* x, T* y, std::int64_t n) {
  for (std::int64_t block = first_index(); block < (n + 3) / 4; block += index_step()) {
    const PhiloxBlock words = philox(key, static_cast<std::uint64_t>(block));
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (block * 4 + k < n)
        y[block * 4 + k] =
            x[block * 4 + k] * (to_unit(words[static_cast<std::size_t>(k)]) < probability ? Work<T>(0) : kept);
  }
}

}  // namespace

void CudaBackend::random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y) {
  check_not_recorded();
  dispatch_float(y.dtype(), "random", [&]<class T>(T) {
    const Grid grid = grid_for((y.numel() + 3) / 4);
    if (distribution == Distribution::normal)
      return launch(random_kernel<Normal<T>, T>, grid, Normal<T>{a, b}, key, y.data<T>(), y.numel());
    const T low = static_cast<T>(a), high = static_cast<T>(b);
    const Uniform<T> uniform{a, b, low, high, std::nextafter(low, high), std::nextafter(high, low)};
    launch(random_kernel<Uniform<T>, T>, grid, uniform, key, y.data<T>(), y.numel());
  });
}

void CudaBackend::dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key, const Tensor& y) {
  check_not_recorded();
  if (channelwise) {
    Shape shape = Shape::filled(x.dims(), 1);
    shape[0] = x.extent(0);
    shape[-1] = x.extent(-1);
    const Tensor mask = full(shape, 1, x.dtype(), Device::cuda);
    dropout(mask, probability, false, key, mask);
    return binary(BinaryOp::multiply, x, mask, y);
  }
  dispatch_stored(x.dtype(), "dropout", [&]<class T>(T) {
    const Work<T> kept = probability < 1 ? static_cast<Work<T>>(1 / (1 - probability)) : 0;
    launch(dropout_kernel<T>, grid_for((x.numel() + 3) / 4), key, probability, kept, x.data<T>(), y.data<T>(),
           x.numel());
  });
}

}  // namespace voxgrad::cuda

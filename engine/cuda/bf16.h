// The upper half of a float, 8 bits of mantissa: how feature maps are stored for mixed precision. It is only stored;
// arithmetic is that of f32, into which it turns by itself.
#pragma once

#include "engine/cuda/device.h"
#include "engine/tensor.h"

namespace voxgrad::cuda {

struct Bf16 {
  std::uint16_t bits;

  Bf16() = default;
  template <class N, std::enable_if_t<std::is_arithmetic_v<N>, int> = 0>
  __host__ __device__ Bf16(N x) : bits(upper_half(static_cast<float>(x))) {}  // NOLINT: implicit
  __host__ __device__ operator float() const {                                // NOLINT: implicit
    const std::uint32_t word = std::uint32_t{bits} << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
  }
};

// In what a stored type is computed.
template <class T>
using Work = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;

// dispatch_float() for kernels that also take bf16.
template <class F>
decltype(auto) dispatch_stored(DType dtype, const char* op, F&& f) {
  if (dtype == DType::bf16) return f(Bf16{});
  return dispatch_float(dtype, op, f);
}

}  // namespace voxgrad::cuda

template <>
struct voxgrad::dtype_of<voxgrad::cuda::Bf16> {
  static constexpr voxgrad::DType value = voxgrad::DType::bf16;
};

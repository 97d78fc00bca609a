// From any element type to any other, through f64.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "engine/cuda/bf16.h"

namespace voxgrad::cuda {

__host__ __device__ inline double number(double x) { return x; }
__host__ __device__ inline double number(float x) { return x; }
__host__ __device__ inline double number(std::int32_t x) { return x; }
__host__ __device__ inline double number(std::uint8_t x) { return x; }
__host__ __device__ inline double number(Bf16 x) { return static_cast<float>(x); }

// Integers saturate and NaN becomes 0.
template <class To>
__host__ __device__ inline To converted(double x) {
  if constexpr (std::is_integral_v<To>) {
    constexpr double kLow = std::numeric_limits<To>::lowest(), kHigh = std::numeric_limits<To>::max();
    const double inside = x == x ? x : 0.0;
    return static_cast<To>(inside < kLow ? kLow : inside > kHigh ? kHigh : inside);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace voxgrad::cuda

// The helpers that all kernels share: indices, vectors of elements, and functions of warps and blocks. Kernels use
// nothing else of the device. Blocks are one-dimensional. Numbers are added in a fixed order, and atomics only count
// integers, so the same call gives the same bits.
#pragma once

#include <cuda_runtime.h>
#ifdef __CUDACC__
#include <cuda_bf16.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace voxgrad::cuda {

constexpr int kWarp = 32;

// for (std::int64_t i = first_index(); i < n; i += index_step())
__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t index_step() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }
__device__ inline int thread_index() { return static_cast<int>(threadIdx.x); }
__device__ inline int block_size() { return static_cast<int>(blockDim.x); }
__device__ inline std::int64_t block_index() { return static_cast<std::int64_t>(blockIdx.x); }

// kN elements that are read and written at once; the address is a multiple of the size.
template <class T, int kN>
struct alignas(sizeof(T) * kN) Pack {
  T at[kN];
};

// The upper half of a float, rounded to nearest even; a NaN stays one with the same bits on every machine.
__host__ __device__ inline std::uint16_t upper_half(float x) {
#ifdef __CUDA_ARCH__
  if (x == x) return __bfloat16_as_ushort(__float2bfloat16_rn(x));
#endif
  std::uint32_t word;
  memcpy(&word, &x, sizeof word);
  return static_cast<std::uint16_t>((x != x ? word | 0x400000u : word + 0x7FFFu + (word >> 16 & 1u)) >> 16);
}

// The dynamic shared memory of the block (Grid::shared).
template <class T>
__device__ inline T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char voxgrad_shared[];
  return reinterpret_cast<T*>(voxgrad_shared);
#else
  return reinterpret_cast<T*>(emulated_shared());  // tests/cuda/emulator
#endif
}

// The value of lane `lane ^ mask`; T is any trivially copyable type whose size is a multiple of 4.
template <class T>
__device__ inline T shuffle_xor(T value, int mask) {
  static_assert(sizeof(T) % 4 == 0);
  constexpr int kWords = sizeof(T) / 4;
  unsigned words[kWords];
  memcpy(words, &value, sizeof value);
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_xor_sync(0xffffffffu, words[i], mask);
  memcpy(&value, words, sizeof value);
  return value;
}
template <class T>
__device__ inline T shuffle_up(T value, int distance) {
  static_assert(sizeof(T) % 4 == 0);
  constexpr int kWords = sizeof(T) / 4;
  unsigned words[kWords];
  memcpy(words, &value, sizeof value);
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_up_sync(0xffffffffu, words[i], static_cast<unsigned>(distance));
  memcpy(&value, words, sizeof value);
  return value;
}

// Bit i says what lane i says. All lanes take part.
__device__ inline unsigned ballot(bool yes) { return __ballot_sync(0xffffffffu, yes); }
__device__ inline int lowest_bit(unsigned bits) { return __ffs(static_cast<int>(bits)) - 1; }
__device__ inline int highest_bit(unsigned bits) { return kWarp - 1 - __clz(static_cast<int>(bits)); }

// The upper half of the product.
__device__ inline std::uint32_t high_product(std::uint32_t a, std::uint32_t b) { return __umulhi(a, b); }

// Integers only: the order in which they are added does not matter.
template <class T>
__device__ inline void add_count(T* count, T more) {
  static_assert(std::is_integral_v<T>);
  atomicAdd(count, more);
}

// op over the values of a warp, in every lane. All lanes take part.
template <class T, class Op>
__device__ inline T warp_reduce(T value, Op op) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value = op(value, shuffle_xor(value, mask));
  return value;
}

// op over the values of a block, in every thread. All threads take part; their number is a multiple of kWarp.
template <class T, class Op>
__device__ inline T block_reduce(T value, Op op) {
  __shared__ T parts[kWarp];
  value = warp_reduce(value, op);
  __syncthreads();  // the parts of an earlier call have been read
  if (thread_index() % kWarp == 0) parts[thread_index() / kWarp] = value;
  __syncthreads();
  value = parts[0];
  for (int warp = 1; warp < block_size() / kWarp; ++warp) value = op(value, parts[warp]);
  return value;
}

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

template <class T>
__device__ inline T block_sum(T value) {
  return block_reduce(value, Add{});
}

}  // namespace voxgrad::cuda

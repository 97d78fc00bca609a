// The algorithms of CUB that the backend uses, by those of the standard library. Called without memory, they say how
// much they want.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "../cuda_runtime.h"

namespace cub {

struct DeviceRadixSort {
  // Stable, by the bits [begin_bit, end_bit) of unsigned keys.
  template <class Key, class Value, class Count>
  static cudaError_t SortPairs(void* temporary, std::size_t& bytes, const Key* keys, Key* sorted_keys,
                               const Value* values, Value* sorted_values, Count count, int begin_bit, int end_bit,
                               cudaStream_t stream) {
    static_assert(std::is_unsigned_v<Key>);
    if (temporary == nullptr) return bytes = 1, cudaSuccess;
    emulator::queue(stream, [=] {
      const emulator::Access access;
      const auto n = static_cast<std::size_t>(count);
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      const Key mask =
          end_bit - begin_bit < static_cast<int>(8 * sizeof(Key)) ? (Key{1} << (end_bit - begin_bit)) - 1 : ~Key{0};
      std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
        return (keys[i] >> begin_bit & mask) < (keys[j] >> begin_bit & mask);
      });
      for (std::size_t i = 0; i < n; ++i) {
        sorted_keys[i] = keys[order[i]];
        sorted_values[i] = values[order[i]];
      }
    });
    return cudaSuccess;
  }
};

struct DeviceScan {
  template <class In, class Out, class Count>
  static cudaError_t InclusiveSum(void* temporary, std::size_t& bytes, const In* in, Out* out, Count count,
                                  cudaStream_t stream) {
    if (temporary == nullptr) return bytes = 1, cudaSuccess;
    emulator::queue(stream, [=] {
      const emulator::Access access;
      std::inclusive_scan(in, in + count, out);
    });
    return cudaSuccess;
  }
};

}  // namespace cub

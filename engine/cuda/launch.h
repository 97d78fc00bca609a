// The one way to start a kernel, and how a failure of the CUDA libraries becomes an Error.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>

#include "engine/error.h"

namespace voxgrad::cuda {

// Error unless the status is success: memory if the card has none left, else argument (a bug). `what` is the call,
// `at` the place in the source.
void check_cuda(cudaError_t status, const char* what, const std::source_location& at = std::source_location::current());

// The stream on which everything is queued (context.cpp).
cudaStream_t stream();

// How many blocks of how many threads, with how many bytes of dynamic shared memory, and where that was written.
struct Grid {
  std::int64_t blocks;
  int threads;
  std::size_t shared;
  std::source_location at;
  Grid(std::int64_t block_count, int threads_of_block = 256, std::size_t shared_bytes = 0,  // NOLINT: implicit
       const std::source_location& where = std::source_location::current())
      : blocks(block_count), threads(threads_of_block), shared(shared_bytes), at(where) {}
};

// Blocks for n items with a grid-stride loop (device.h). The number depends on n only, never on the card, so that
// partial results are the same on every card.
inline Grid grid_for(std::int64_t n, int threads = 256,
                     const std::source_location& where = std::source_location::current()) {
  constexpr std::int64_t kMostBlocks = 16384;
  return Grid(std::min(kMostBlocks, (n + threads - 1) / threads), threads, 0, where);
}

// kernel(args...) on the stream. Returns before it has run; no blocks: nothing to do.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), const Grid& grid, std::type_identity_t<Parameters>... args) {
  if (grid.blocks == 0) return;
#ifdef __CUDACC__
  constexpr std::size_t kUsualShared = 48 * 1024;
  constexpr int kMostShared = 64 * 1024;  // of every card; always the same, because a recorded kernel keeps its limit
  if (grid.shared > kUsualShared)
    check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    kMostShared),
               "shared memory of a kernel", grid.at);
  const dim3 blocks(static_cast<unsigned>(grid.blocks)), threads(static_cast<unsigned>(grid.threads));
  kernel<<<blocks, threads, grid.shared, stream()>>>(args...);
  check_cuda(cudaGetLastError(), "start of a kernel", grid.at);
#else
  run_on_host(kernel, grid, args...);  // tests/cuda/emulator
#endif
}

}  // namespace voxgrad::cuda

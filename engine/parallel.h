// The one way to use several threads. Work is cut by size, never by thread count, so whoever combines partial results
// per block, in block order, gets the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace voxgrad {

// Threads used by kernels; at least 1. Default: VOXGRAD_THREADS, else the cores this process may use.
int threads();
void set_threads(int count);

namespace detail {
void run_blocks(std::int64_t count, const std::function<void(std::int64_t block)>& body);
}

inline std::int64_t block_count(std::int64_t n, std::int64_t grain) { return (n + grain - 1) / grain; }

// Calls body(begin, end) for the blocks [0, grain), [grain, 2 grain), .. of [0, n), in any order, on any thread.
// The first exception of a body is thrown again here. Inside a body a nested call runs serially.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  if (n <= 0) return;
  if (n <= grain) return static_cast<void>(body(std::int64_t{0}, n));
  detail::run_blocks(block_count(n, grain),
                     [&](std::int64_t block) { body(block * grain, std::min(n, (block + 1) * grain)); });
}

}  // namespace voxgrad

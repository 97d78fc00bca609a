// The one way to use several threads. Work is cut by size, never by thread count, so whoever combines partial results
// per block, in block order, gets the same bits for any number of threads.
//
// Thread safety: parallel_for may be called by several threads at once. One of them gets the workers; the others run
// their blocks alone meanwhile. set_threads and shut_down_threads may be called at any time, set_parallel_for only
// while no parallel_for runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace voxgrad {

// Threads used by kernels, the caller's included. Default: VOXGRAD_THREADS, else the cores this process may use. The
// first parallel_for with more than one block starts them; with 1 no thread is ever started.
int threads();
void set_threads(int count);

// Joins the threads, as the end of the process does; the next parallel_for starts them again. For a host that unloads
// the library. Error(argument) inside the body of a parallel_for.
void shut_down_threads();

// Has the blocks run by the host's own threads: `function` calls block(0) .. block(count - 1) once each, in any order,
// on any threads, and returns when all are done. It is not asked where threads() is 1. Empty: the threads of this
// library again. Results are the same bits.
using ParallelFor = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& block)>;
void set_parallel_for(ParallelFor function);

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

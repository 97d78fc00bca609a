// The only way to use several threads. Work is divided into blocks by its size, never by the number of threads. So code
// that combines the partial results of the blocks in their order gets the same bits for any number of threads.
//
// Thread safety: several threads may call parallel_for at the same time. One of them gets the workers, and the others
// run their blocks alone. set_threads and shut_down_threads may be called at any time, set_parallel_for only while no
// parallel_for runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "engine/error.h"

namespace voxgrad {

// The number of threads that kernels use, including the caller. The default is VOXGRAD_THREADS or, without it, the
// number of cores that this process may use. The first parallel_for with more than one block starts them; with 1 none
// is started.
int threads();
void set_threads(int count);

// Joins the threads, as the end of the process does; the next parallel_for starts them again. A host calls it before it
// unloads the library. Error(argument) inside the body of a parallel_for.
void shut_down_threads();

// Makes parallel_for run its blocks on threads of the host: `function` calls block(0) .. block(count - 1) once each, in
// any order and on any threads, and returns when all are done; else parallel_for throws Error(argument). It is not
// called if threads() is 1. An empty function restores the threads of this library. The results are the same bits.
using ParallelFor = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& block)>;
void set_parallel_for(ParallelFor function);

namespace detail {
void run_blocks(std::int64_t count, const std::function<void(std::int64_t block)>& body);
}

inline std::int64_t block_count(std::int64_t n, std::int64_t grain) { return (n + grain - 1) / grain; }

// Calls body(begin, end) for the blocks [0, grain), [grain, 2 grain), .. of [0, n), in any order and on any thread. If
// a body throws, its first exception is thrown again here. A nested call inside a body runs serially.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  check(grain >= 1, "parallel_for: a block of ", grain, " elements");
  if (n <= 0) return;
  if (n <= grain) return static_cast<void>(body(std::int64_t{0}, n));
  detail::run_blocks(block_count(n, grain),
                     [&](std::int64_t block) { body(block * grain, std::min(n, (block + 1) * grain)); });
}

}  // namespace voxgrad

#include "engine/parallel.h"

#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/error.h"

namespace voxgrad {
namespace {

int default_threads() {
  if (const char* wish = std::getenv("VOXGRAD_THREADS"))
    if (const int count = std::atoi(wish); count > 0) return count;
#ifdef _OPENMP
  return omp_get_num_procs();
#else
  return 1;
#endif
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{default_threads()};
  return count;
}

}  // namespace

int threads() { return thread_count().load(std::memory_order_relaxed); }

void set_threads(int count) {
  check(count >= 1 && count <= 1024, "set_threads: 1 to 1024, got ", count);
  thread_count().store(count, std::memory_order_relaxed);
}

namespace detail {

void run_blocks(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  std::exception_ptr failure;
  std::mutex mutex;
  const auto guarded = [&](std::int64_t block) {
    try {
      body(block);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads()) if (!omp_in_parallel() && threads() > 1)
#endif
  for (std::int64_t block = 0; block < count; ++block) guarded(block);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail
}  // namespace voxgrad

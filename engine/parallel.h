// The only way to use several threads. Work is divided into blocks by its size, never by the number of threads. So code
// that combines the partial results of the blocks in their order gets the same bits for any number of threads.
//
// Thread safety: several threads may call parallel_for at the same time. Of those that share Resources one has the
// workers, the others work alone until it is done. set_threads and shut_down_threads may be called at any time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "engine/error.h"

namespace voxgrad {

// The number of threads that kernels use, including the caller. The default is VOXGRAD_THREADS or, without it, the
// number of cores that this process may use. The first parallel_for with more than one block starts them; with 1 none
// is started. This and the next two functions are about the threads of the current Resources.
int threads();
void set_threads(int count);

// Joins the threads, as the end of the process does; the next parallel_for starts them again. Error(argument) inside
// the body of a parallel_for that has given blocks to them.
void shut_down_threads();

using ParallelFor = std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& block)>;

class Backend;

// Threads and CPU memory for a part of a program. Parts that have their own do not disturb each other; whoever has none
// uses those of the process. The results are the same bits.
class Resources {
 public:
  // The number of threads is as for set_threads, 0 means the default. With `function`, parallel_for runs its blocks on
  // threads of a host, unless the number is 1: it calls block(0) .. block(count - 1) once each, in any order and on any
  // threads, and returns when all are done; else parallel_for throws Error(argument). All memory of tensors comes from
  // `workspace`, if it is not empty; Error(memory) where that does not suffice.
  explicit Resources(int threads = 0, ParallelFor function = {}, std::span<std::byte> workspace = {});
  ~Resources();  // joins the threads
  Resources(const Resources&) = delete;
  Resources& operator=(const Resources&) = delete;
  // The memory. Whoever keeps a tensor that was made in it also keeps this pointer, and releases it afterwards.
  const std::shared_ptr<Backend>& cpu() const { return cpu_; }
  static const Resources* current() noexcept;  // those that this thread uses; null: those of the process

  // While it lives, the thread that made it uses the resources, and so do the blocks of its parallel_for.
  class Use {
   public:
    explicit Use(const Resources* resources) noexcept;
    ~Use();
    Use(const Use&) = delete;

   private:
    const Resources* const before_;
  };

  class Workers;

 private:
  friend Workers& workers();
  std::shared_ptr<Backend> cpu_;
  std::unique_ptr<Workers> workers_;
};

namespace detail {
void run_blocks(std::int64_t count, const std::function<void(std::int64_t block)>& body);
}

inline std::int64_t block_count(std::int64_t n, std::int64_t grain) { return (n + grain - 1) / grain; }

// Calls body(begin, end) for the blocks [0, grain), [grain, 2 grain), .. of [0, n), in any order and on any thread. If
// a body throws, its first exception is thrown again here. A call inside one of several blocks runs serially.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
  check(grain >= 1, "parallel_for: a block of ", grain, " elements");
  if (n <= 0) return;
  if (n <= grain) return static_cast<void>(body(std::int64_t{0}, n));
  detail::run_blocks(block_count(n, grain),
                     [&](std::int64_t block) { body(block * grain, std::min(n, (block + 1) * grain)); });
}

}  // namespace voxgrad

#include "data/sampling/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "data/sampling/sampler.h"
#include "engine/parallel.h"

namespace voxgrad::data {

// The threads make the batches first, first + 1, .., each the next one that nobody makes yet. If a caller asks for
// another step than `first`, a new sequence begins, and the batches that are being made are dropped. After an error the
// threads rest until a new sequence begins.
struct Loader::Impl {
  struct Made {
    Batch batch;
    std::exception_ptr error;
  };

  Impl(const Dataset& dataset, LoaderOptions options) : sampler(dataset, std::move(options)) {}
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake_makers.notify_all();
    for (std::thread& maker : makers) maker.join();
  }

  Made make(std::int64_t step);
  void run();
  std::optional<Made>& place(std::int64_t step) { return ready[static_cast<std::size_t>(step) % ready.size()]; }
  void start();
  Batch take(std::int64_t step);

  Sampler sampler;
  std::vector<std::thread> makers;
  std::mutex mutex;
  std::condition_variable wake_makers, wake_taker;
  std::vector<std::optional<Made>> ready;  // by step modulo its size, as a thread must not fail to hand on what it made
  std::int64_t first = -1;                 // the step that is taken next; -1 if no sequence has begun
  std::int64_t next = 0;                   // the step that is made next
  std::int64_t sequence = 0;               // the number of sequences so far
  bool resting = true;
  bool stop = false;
};

Loader::Impl::Made Loader::Impl::make(std::int64_t step) {
  Made made;
  try {
    made.batch = sampler.make(step);
  } catch (...) {
    made.error = std::current_exception();
  }
  return made;
}

void Loader::Impl::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake_makers.wait(lock, [&] { return stop || (!resting && next < first + std::ssize(ready)); });
    if (stop) return;
    const std::int64_t step = next++, mine = sequence;
    lock.unlock();
    Made made = make(step);
    lock.lock();
    if (mine != sequence) continue;
    if (made.error) resting = true;
    place(step) = std::move(made);
    wake_taker.notify_all();
  }
}

void Loader::Impl::start() {
  constexpr int kKernelThreads = 4, kMost = 4;
  const LoaderOptions& options = sampler.options();
  const int count = options.threads > 0 ? options.threads : std::clamp(threads() / kKernelThreads, 1, kMost);
  ready.resize(static_cast<std::size_t>(options.prefetch + count - 1));
  for (int i = 0; i < count; ++i) makers.emplace_back([this] { run(); });
}

Batch Loader::Impl::take(std::int64_t step) {
  std::unique_lock lock(mutex);
  if (makers.empty()) start();
  if (step != first) {
    for (std::optional<Made>& slot : ready) slot.reset();
    first = next = step;
    ++sequence;
    resting = false;
    wake_makers.notify_all();
  }
  wake_taker.wait(lock, [&] { return place(step).has_value(); });
  Made made = *std::exchange(place(step), std::nullopt);
  first = made.error ? -1 : first + 1;
  lock.unlock();
  wake_makers.notify_all();
  if (made.error) std::rethrow_exception(made.error);
  return std::move(made.batch);
}

Loader::Loader(const Dataset& dataset, LoaderOptions options)
    : impl_(std::make_unique<Impl>(dataset, std::move(options))) {}
Loader::~Loader() = default;

Batch Loader::batch(std::int64_t step) {
  check(step >= 0, "loader: batch ", step);
  return impl_->sampler.options().prefetch == 0 ? impl_->sampler.make(step) : impl_->take(step);
}

Loader::Kept Loader::kept() const { return impl_->sampler.kept(); }

std::int64_t Loader::steps_per_epoch() const {
  const LoaderOptions& options = impl_->sampler.options();
  const std::int64_t cases = std::ssize(options.cases);
  return (cases + options.batch - 1) / options.batch;
}

}  // namespace voxgrad::data

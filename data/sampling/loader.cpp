#include "data/sampling/loader.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "data/sampling/sampler.h"

namespace voxgrad::data {

// The thread makes the batches next, next + 1, .. until `prefetch` of them wait. If a caller asks for another step than
// the first one that waits, a new sequence begins, and the batch that the thread is making is dropped. After an error
// the thread rests until a new sequence begins.
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
    wake_maker.notify_all();
    if (maker.joinable()) maker.join();
  }

  Made make(std::int64_t step);
  void run();
  Batch take(std::int64_t step);

  Sampler sampler;  // once the thread runs, nobody else may use it
  std::thread maker;
  std::mutex mutex;
  std::condition_variable wake_maker, wake_taker;
  std::deque<Made> ready;
  std::int64_t first = -1;    // the step that will be or is ready.front(); -1 if no sequence has begun
  std::int64_t next = 0;      // the step that the thread makes next
  std::int64_t sequence = 0;  // the number of sequences so far
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
  const std::size_t depth = static_cast<std::size_t>(sampler.options().prefetch);
  std::unique_lock lock(mutex);
  for (;;) {
    wake_maker.wait(lock, [&] { return stop || (!resting && ready.size() < depth); });
    if (stop) return;
    const std::int64_t step = next++, mine = sequence;
    lock.unlock();
    Made made = make(step);
    lock.lock();
    if (mine != sequence) continue;
    resting = made.error != nullptr;
    ready.push_back(std::move(made));
    wake_taker.notify_all();
  }
}

Batch Loader::Impl::take(std::int64_t step) {
  std::unique_lock lock(mutex);
  if (!maker.joinable()) maker = std::thread([this] { run(); });
  if (step != first) {
    ready.clear();
    first = next = step;
    ++sequence;
    resting = false;
    wake_maker.notify_all();
  }
  wake_taker.wait(lock, [&] { return !ready.empty(); });
  Made made = std::move(ready.front());
  ready.pop_front();
  first = made.error ? -1 : first + 1;
  lock.unlock();
  wake_maker.notify_all();
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

std::int64_t Loader::steps_per_epoch() const {
  const LoaderOptions& options = impl_->sampler.options();
  const std::int64_t cases = std::ssize(options.cases);
  return (cases + options.batch - 1) / options.batch;
}

}  // namespace voxgrad::data

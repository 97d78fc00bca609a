// Runs kernels (cuda_runtime.h): a thread that waits at a barrier is a fiber that is set aside, so that one processor
// thread runs them all, in the order that the dice give.
#undef _FORTIFY_SOURCE  // it takes a jump to another stack for an error
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cuda_runtime.h"

namespace emulator {

Place place;

namespace {

constexpr std::size_t kStack = std::size_t{128} << 10;
constexpr std::size_t kMostShared = std::size_t{64} << 10;  // of Turing, which has least; later cards have 99 or more

// Where a fiber goes on. swapcontext would be simpler, but asks the system for the signal mask each time: ten times
// slower.
struct Fiber {
  std::unique_ptr<char[]> stack;
  ucontext_t start;
  bool begun = false;
  jmp_buf later;

  void go_to(Fiber& other) {
#ifdef __SANITIZE_ADDRESS__  // which follows the slow way only
    swapcontext(&start, &other.start);
#else
    if (_setjmp(later) != 0) return;  // somebody came back
    if (other.begun) _longjmp(other.later, 1);
    other.begun = true;
    setcontext(&other.start);
#endif
  }
};

enum class State { ready, at_warp, at_block, done };
struct Thread {
  State state = State::ready;
  Fiber* fiber = nullptr;  // once it has waited
  std::source_location at;
  std::uint64_t given[2] = {};  // to this exchange of its warp, and to the one before, which others may still read
  int turn = 0;
};

std::string text_of(const std::source_location& at) {
  std::ostringstream out;
  out << at.file_name() << ":" << at.line() << ":" << at.column();
  return out.str();
}
bool same(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

class Machine {
 public:
  Machine() { scheduler_.begun = true; }
  void run(std::int64_t blocks, int threads, std::size_t shared, const std::source_location& at,
           const std::function<void()>& body) {
    if (threads < 1 || threads > 1024) complain(at, "threads: not 1 .. 1024");
    if (blocks < 1 || blocks > 0x7fffffff) complain(at, "blocks: not 1 .. 2^31 - 1");
    if (shared > kMostShared) complain(at, "more shared memory than a block can have");
    body_ = &body;
    met_barrier_ = false;
    place.threads = {static_cast<unsigned>(threads), 1, 1};
    place.blocks = {static_cast<unsigned>(blocks), 1, 1};
    std::vector<unsigned> order(static_cast<std::size_t>(blocks));
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), dice_);
    for (const unsigned block : order) {
      place.block = {block, 0, 0};
      shared_.assign(shared / sizeof(std::max_align_t) + 1, {});
      std::memset(shared_.data(), 0xff, shared_.size() * sizeof(std::max_align_t));
      run_block(static_cast<std::size_t>(threads), at);
    }
  }

  // The running thread waits until scheduled again.
  void wait(State state, const std::source_location& at) {
    Thread& me = threads_[place.thread.x];
    me.state = state;
    me.at = at;
    met_barrier_ = met_barrier_ || state == State::at_block;
    me.fiber = fiber_;
    fiber_->go_to(scheduler_);
  }
  std::array<std::uint64_t, 32> exchange(std::uint64_t value, const std::source_location& at) {
    Thread& me = threads_[place.thread.x];
    const int turn = me.turn;
    me.given[turn] = value;
    me.turn = 1 - turn;
    wait(State::at_warp, at);
    std::array<std::uint64_t, 32> all;
    const std::size_t first = place.thread.x / 32 * 32;
    for (std::size_t i = 0; i < 32; ++i) all[i] = threads_[first + i].given[turn];
    return all;
  }
  void* shared() { return shared_.data(); }
  bool met_barrier() const { return met_barrier_; }  // in the last run

  // A fiber runs one thread after the other, as long as the next one has not begun elsewhere.
  void work() {
    for (;;) {
      while (next_ < queue_.size() && threads_[queue_[next_]].fiber == nullptr) {
        enter(queue_[next_++]);
        (*body_)();
        threads_[place.thread.x].state = State::done;
      }
      idle_.push_back(fiber_);
      fiber_->go_to(scheduler_);
    }
  }

 private:
  void run_block(std::size_t threads, const std::source_location& at) {
    threads_.assign(threads, {});
    queue_.resize(threads);
    std::iota(queue_.begin(), queue_.end(), 0u);
    while (!queue_.empty()) {
      std::shuffle(queue_.begin(), queue_.end(), dice_);
      for (next_ = 0; next_ < queue_.size();) {
        fiber_ = threads_[queue_[next_]].fiber;
        if (fiber_ == nullptr)
          fiber_ = idle_fiber();
        else
          enter(queue_[next_++]);
        scheduler_.go_to(*fiber_);
      }
      queue_.clear();
      release(at);
    }
  }
  void enter(unsigned thread) {
    threads_[thread].state = State::ready;
    place.thread = {thread, 0, 0};
  }

  Fiber* idle_fiber() {
    if (idle_.empty()) idle_.push_back(fibers_.emplace_back(new_fiber()).get());
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    return fiber;
  }
  static std::unique_ptr<Fiber> new_fiber();

  // Nobody runs: lets the threads go whose barrier is complete.
  void release(const std::source_location& at) {
    for (std::size_t first = 0; first < threads_.size(); first += 32)
      if (first + 32 <= threads_.size() && complete(first, first + 32, State::at_warp)) add(first, first + 32);
    if (!queue_.empty()) return;
    if (complete(0, threads_.size(), State::at_block)) return add(0, threads_.size());
    const auto waits = [](const Thread& thread) { return thread.state != State::done; };
    const auto found = std::find_if(threads_.begin(), threads_.end(), waits);
    if (found == threads_.end()) return;
    const auto other = std::find_if(threads_.begin(), threads_.end(), [&](const Thread& thread) {
      return thread.state != found->state || !same(thread.at, found->at);
    });
    const std::string what = "a barrier that not all reach: thread " + std::to_string(found - threads_.begin()) +
                             " waits at " + text_of(found->at) + ", thread " +
                             std::to_string(other - threads_.begin()) +
                             (waits(*other) ? " at " + text_of(other->at) : " has ended");
    idle_.clear();  // what these fibers do will never end
    fibers_.clear();
    complain(at, what.c_str());
  }
  bool complete(std::size_t begin, std::size_t end, State state) const {
    return std::all_of(
        threads_.begin() + static_cast<std::ptrdiff_t>(begin), threads_.begin() + static_cast<std::ptrdiff_t>(end),
        [&](const Thread& thread) { return thread.state == state && same(thread.at, threads_[begin].at); });
  }
  void add(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) queue_.push_back(static_cast<unsigned>(i));
  }

  const std::function<void()>* body_ = nullptr;
  bool met_barrier_ = false;
  std::vector<std::max_align_t> shared_;
  std::vector<Thread> threads_;  // of the block
  std::vector<unsigned> queue_;  // threads that can run, and which one is the next
  std::size_t next_ = 0;
  Fiber scheduler_;
  Fiber* fiber_ = nullptr;  // that runs
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::minstd_rand dice_;
};

Machine machine;
std::mutex one_at_a_time;

void work_of_fiber() { machine.work(); }

std::unique_ptr<Fiber> Machine::new_fiber() {
  auto fiber = std::make_unique<Fiber>();
  fiber->stack = std::make_unique<char[]>(kStack);
  getcontext(&fiber->start);
  fiber->start.uc_stack.ss_sp = fiber->stack.get();
  fiber->start.uc_stack.ss_size = kStack;
  fiber->start.uc_link = nullptr;
  makecontext(&fiber->start, &work_of_fiber, 0);
  return fiber;
}

}  // namespace

void complain(const std::source_location& at, const char* what) {
  throw std::runtime_error("kernel started at " + text_of(at) + ": " + what);
}
// The shared memory of a kernel with barriers is fresh in every launch but the first, on a thread of its own: what an
// earlier launch left there cannot hide a race.
void run(std::int64_t blocks, int threads, std::size_t shared, const std::source_location& at, void (*kernel)(),
         const std::function<void()>& body) {
  static std::set<void (*)()> with_barriers;
  const std::lock_guard lock(one_at_a_time);
  const Access access;
  std::exception_ptr error;
  const auto work = [&] {
    try {
      machine.run(blocks, threads, shared, at, body);
    } catch (...) {
      error = std::current_exception();
    }
  };
  if (with_barriers.contains(kernel))
    std::thread(work).join();
  else
    work();
  if (machine.met_barrier()) with_barriers.insert(kernel);
  if (error) std::rethrow_exception(error);
}
void block_barrier(const std::source_location& at) { machine.wait(State::at_block, at); }
std::array<std::uint64_t, 32> exchange(std::uint64_t value, unsigned mask, const std::source_location& at) {
  (void)mask;
  return machine.exchange(value, at);
}
void* shared_memory() { return machine.shared(); }

}  // namespace emulator

// A pool of threads that runs the blocks of one parallel_for at a time. Resources have one each, and the process one.
//
// The threads of OpenMP spin at the end of every region and wait for each other. On cores that another process uses
// too, this made a suite of small operations 30 times slower than with one thread. In this pool the caller works as
// well, and returns as soon as all blocks are done; it does not wait for a worker that the system did not schedule in
// time.
#include "engine/parallel.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "engine/backend.h"
#include "engine/cpu/inspect.h"

namespace voxgrad {

namespace {

constexpr int kMaxThreads = 1024;
// The number of looks before a thread sleeps. A thousand take 11 microseconds on a Xeon with AVX-512.
constexpr int kLeastSpins = 250, kMostSpins = 16000;

int cores_of_quota(const std::string& group, int cores) {
  long long quota = 0, period = 0;
  if (!(std::ifstream(group + "/cpu.max") >> quota >> period)) {  // "max 100000", or version 1, which has two files
    quota = period = 0;
    std::ifstream(group + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(group + "/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return cores;
  return static_cast<int>(std::min<long long>(cores, (quota - 1) / period + 1));
}

int available_cores() {
  int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;  // respects taskset
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  cores = cpu::cores_of_quotas("/proc/self/cgroup", "/sys/fs/cgroup", cores);
#endif
  return cores;
}

int default_threads() {
  const char* const wish = std::getenv("VOXGRAD_THREADS");
  if (wish == nullptr || *wish == '\0') return std::min(available_cores(), kMaxThreads);
  int count = 0;
  const char* const end = wish + std::strlen(wish);
  const auto [at, code] = std::from_chars(wish, end, count);
  if (code != std::errc{} || at != end || count < 1 || count > kMaxThreads)
    throw Error(ErrorKind::usage, text("VOXGRAD_THREADS=", wish, " is no number of threads"),
                text("use 1 to ", kMaxThreads, ", or unset it"));
  return count;
}

thread_local const Resources* current = nullptr;
thread_local bool inside = false;  // this thread is running a block
struct Inside {
  bool before = std::exchange(inside, true);
  ~Inside() { inside = before; }
};

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `value` differs from `seen`. It spins first and then sleeps. Where spinning was in vain, because other
// processes use the cores, the thread spins for a shorter time the next time.
template <class T>
void wait_while(const std::atomic<T>& value, T seen) {
  thread_local int spins = kMostSpins;
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != seen) {
      spins = std::min(kMostSpins, spins + kLeastSpins);
      return;
    }
    pause();
  }
  spins = std::max(kLeastSpins, spins / 2);
  value.wait(seen, std::memory_order_acquire);
}

// The core that this thread runs on; -1 if the system does not say.
int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Moves this thread to another core that it may use. Afterwards the system may move it to any core again.
void leave_core([[maybe_unused]] int core) {
#if defined(__linux__)
  cpu_set_t allowed, others;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
    sched_setaffinity(0, sizeof allowed, &allowed);
#endif
}

void run_alone(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  for (std::int64_t block = 0; block < count; ++block) body(block);
}

// Runs the blocks on the threads of a host. A block that is called twice or does not exist is not run.
void run_on_host(const ParallelFor& function, std::int64_t count, const std::function<void(std::int64_t)>& body) {
  std::vector<std::atomic<bool>> called(static_cast<std::size_t>(count));
  std::atomic<std::int64_t> done{0}, wrong{0};
  const Inside caller;  // a parallel_for in the function itself would call the function again
  function(count, [&](std::int64_t block) {
    const Inside worker;
    if (block < 0 || block >= count || called[static_cast<std::size_t>(block)].exchange(true)) {
      ++wrong;
      return;
    }
    body(block);
    ++done;
  });
  check(done == count && wrong == 0, "parallel_for: the function of the host ran ", done.load(), " of ", count,
        " blocks, and called ", wrong.load(), " twice or outside of them");
}

}  // namespace

int cpu::cores_of_quotas(const std::string& list, const std::string& root, int cores) {
  std::ifstream groups(list);
  for (std::string line; std::getline(groups, line);) {  // "0::/job_7/step_0", of version 1 "4:cpu,cpuacct:/job_7"
    const std::size_t first = line.find(':'), second = line.find(":/", first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers != ",," && controllers.find(",cpu,") == std::string::npos) continue;
    const std::string top = controllers == ",," ? root : root + "/cpu";
    // A container may see its own group at the top, and no folder with the path that the host gives it.
    for (std::string path = line.substr(second + 1); !path.empty(); path.resize(path.rfind('/')))
      cores = cores_of_quota(top + path, cores);
    cores = cores_of_quota(top, cores);
  }
  return cores;
}

class Resources::Workers {
 public:
  Workers(int count, ParallelFor host) : host_(std::move(host)) { set_threads(count != 0 ? count : default_threads()); }
  ~Workers() { shut_down(); }

  int threads() const { return thread_count_.load(std::memory_order_relaxed); }
  void set_threads(int count) {
    check(count >= 1 && count <= kMaxThreads, "set_threads: 1 to ", kMaxThreads, ", got ", count);
    thread_count_.store(count, std::memory_order_relaxed);
  }

  void run(std::int64_t count, const std::function<void(std::int64_t)>& body) {
    if (inside || threads() == 1) return run_alone(count, body);
    if (host_) return run_on_host(host_, count, body);
    // While the workers have the job of another caller, this one runs a block itself and asks again.
    for (std::int64_t first = 0; first < count && !share(first, count, body); ++first) body(first);
  }

  // Waits until the running job is done and the threads have ended.
  void shut_down() {
    const std::lock_guard lock(callers_);
    stopping_.store(true, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    stopping_.store(false, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t kClosed = 0xFFFFFFFFu;
  static constexpr std::uint32_t kJobs = 16;  // number of jobs between two moves of a worker

  // Runs the blocks [first, count). False if the job of another caller is running.
  bool share(std::int64_t first, std::int64_t count, const std::function<void(std::int64_t)>& body) {
    const std::unique_lock lock(callers_, std::try_to_lock);
    if (!lock || count >= kClosed) return false;
    start_workers();
    const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    // The ticket is closed while the job is set up, so that a late worker of the last job gets no block of this one.
    ticket_.store(std::uint64_t{generation} << 32 | kClosed, std::memory_order_release);
    count_.store(static_cast<std::uint32_t>(count), std::memory_order_release);
    body_.store(&body, std::memory_order_relaxed);
    caller_core_.store(current_core(), std::memory_order_relaxed);
    done_.store(static_cast<std::uint32_t>(first), std::memory_order_relaxed);
    ticket_.store(std::uint64_t{generation} << 32 | static_cast<std::uint64_t>(first), std::memory_order_release);
    generation_.store(generation, std::memory_order_release);
    generation_.notify_all();
    work(generation);
    for (std::uint32_t done = done_.load(std::memory_order_acquire); done != static_cast<std::uint32_t>(count);
         done = done_.load(std::memory_order_acquire))
      wait_while(done_, done);
    return true;
  }

  void start_workers() {
    try {
      for (int index = static_cast<int>(threads_.size()); index < threads() - 1; ++index)
        threads_.emplace_back([this, index] { serve(index); });
    } catch (const std::exception&) {
      // The system has no more threads, or no memory for one, so the existing ones share the work.
    }
  }

  // Runs blocks of the job `generation` until none are left. A ticket is generation << 32 | next block, so one
  // compare-and-swap takes a block and makes sure that it belongs to this job.
  void work(std::uint32_t generation) {
    const Inside worker;
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> 32 == generation) {
      const auto block = static_cast<std::uint32_t>(ticket);
      const std::uint32_t count = count_.load(std::memory_order_acquire);
      if (block >= count) break;
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      (*body_.load(std::memory_order_relaxed))(block);
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) done_.notify_all();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  // Linux wakes a thread on the core where it last slept. If that is the core of the caller, the worker waits there
  // until the caller is done, although other cores are idle, and the same happens in every later job. So it moves by
  // itself, but not in every job, because the other cores may be busy with other work.
  void serve(int index) {
    std::uint32_t moved = 0;
    for (std::uint32_t seen = 0;;) {
      wait_while(generation_, seen);
      seen = generation_.load(std::memory_order_acquire);
      if (stopping_.load(std::memory_order_relaxed)) return;
      if (index >= threads() - 1) continue;
      const int core = current_core();
      if (core >= 0 && core == caller_core_.load(std::memory_order_relaxed) && (moved == 0 || seen - moved > kJobs)) {
        leave_core(core);
        moved = seen;
      }
      work(seen);
    }
  }

  const ParallelFor host_;
  std::atomic<int> thread_count_{1};
  std::mutex callers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<std::uint64_t> ticket_{kClosed};
  std::atomic<std::uint32_t> count_{0};
  std::atomic<std::uint32_t> done_{0};
  std::atomic<int> caller_core_{-1};
  std::atomic<const std::function<void(std::int64_t)>*> body_{nullptr};
};

// The threads of the process are joined at its end or when the library is unloaded. The pool itself is never destroyed,
// because the destructor of another static object may still compute.
Resources::Workers& workers() {
  if (current != nullptr) return *current->workers_;
  static Resources::Workers& pool = *new Resources::Workers(0, {});
  static const struct AtExit {
    ~AtExit() {
      if (!inside) pool.shut_down();  // a block that calls exit() cannot wait for itself
    }
  } at_exit;
  return pool;
}

Resources::Resources(int threads, ParallelFor function, std::span<std::byte> workspace)
    : cpu_(make_cpu_backend(workspace)), workers_(new Workers(threads, std::move(function))) {}
Resources::~Resources() = default;
const Resources* Resources::current() noexcept { return voxgrad::current; }
Resources::Use::Use(const Resources* resources) noexcept : before_(std::exchange(voxgrad::current, resources)) {}
Resources::Use::~Use() { voxgrad::current = before_; }

int threads() { return workers().threads(); }
void set_threads(int count) { workers().set_threads(count); }

void shut_down_threads() {
  check(!inside, "shut_down_threads: called inside the body of a parallel_for, which would wait for itself");
  workers().shut_down();
}

namespace detail {

void run_blocks(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  std::exception_ptr failure;
  std::mutex mutex;
  const std::function<void(std::int64_t)> guarded = [&, resources = current](std::int64_t block) {
    const Resources::Use use(resources);
    try {
      body(block);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  workers().run(count, guarded);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail
}  // namespace voxgrad

// parallel_for: every element once, blocks cut by size, exceptions, nesting, several callers, threads that end, the
// threads of a host, and how many threads there are.
#include "tests/test.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/inspect.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/shape.h"
#include "tests/files.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {

// Runs f with a number of threads and restores the old number.
template <class F>
void with_threads(int count, const F& f) {
  const int before = threads();
  set_threads(count);
  f();
  set_threads(before);
}

// Runs f with threads of a host.
template <class F>
void on_host(int count, const ParallelFor& host, const F& f) {
  const Resources own(count, host);
  const Resources::Use use(&own);
  f();
}

std::set<std::pair<std::int64_t, std::int64_t>> blocks_of(std::int64_t n, std::int64_t grain) {
  std::set<std::pair<std::int64_t, std::int64_t>> blocks;
  std::mutex mutex;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    CHECK(blocks.emplace(begin, end).second);
  });
  return blocks;
}

}  // namespace

TEST_CASE("every element is visited once, in blocks that do not depend on the threads") {
  for (const std::int64_t n : {0, 1, 9, 10, 11, 100, 1003})
    for (const std::int64_t grain : {1, 10, 64}) {
      std::set<std::pair<std::int64_t, std::int64_t>> expected;
      for (std::int64_t begin = 0; begin < n; begin += grain) expected.emplace(begin, std::min(n, begin + grain));
      for (const int count : {1, 2, 3}) with_threads(count, [&] { CHECK(blocks_of(n, grain) == expected); });
      CHECK(block_count(n, grain) == static_cast<std::int64_t>(expected.size()));
    }
}

TEST_CASE("an exception of a block arrives at the caller") {
  for (const int count : {1, 3})
    with_threads(count, [] {
      const std::string message = error_of(
          [] { parallel_for(100, 1, [](std::int64_t begin, std::int64_t) { check(begin != 37, "block ", begin); }); });
      CHECK(message == "block 37");
    });
}

TEST_CASE("a nested call does all of its work") {
  with_threads(3, [] {
    std::atomic<std::int64_t> sum = 0;
    parallel_for(20, 1, [&](std::int64_t, std::int64_t) {
      parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    });
    CHECK(sum == 20000);
  });
}

TEST_CASE("a nested call runs in the thread of its block, but one in a single block has all threads") {
  with_threads(2, [] {
    for (const int blocks : {1, 2}) {
      std::atomic<int> wrong = 0;
      parallel_for(blocks, 1, [&](std::int64_t, std::int64_t) {
        std::atomic<int> begun = 0, others = 0;
        const auto caller = std::this_thread::get_id();
        parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
          ++begun;
          others += std::this_thread::get_id() != caller;
          for (int i = 0; blocks == 1 && begun < 2 && i < 10000; ++i)  // leaves the other block to the other thread
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        });
        wrong += begun != 2 || others != (blocks == 1 ? 1 : 0);
      });
      CHECK_MESSAGE(wrong == 0, blocks << " blocks");
    }
  });
}

TEST_CASE("a wrong number of threads is refused") {
  const int before = threads();
  CHECK(before >= 1);
  CHECK(contains(error_of([] { set_threads(0); }), "got 0"));
  CHECK_THROWS_AS(set_threads(-2), Error);
  CHECK(threads() == before);
}

TEST_CASE("VOXGRAD_THREADS that is no number of threads is refused, and an empty one counts as none") {
  const char* const set = std::getenv("VOXGRAD_THREADS");
  const std::string before = set == nullptr ? "" : set;
  for (const char* wrong : {"two", "0", "-1", "2x", " 2", "1025", "99999999999"}) {
    ::setenv("VOXGRAD_THREADS", wrong, 1);
    CHECK(contains(error_of([] { const Resources own; }), text("VOXGRAD_THREADS=", wrong, " is no number of threads")));
    CHECK(error_of([] { const Resources own(3); }).empty());  // never looks
  }
  for (const int count : {1, 7, 1024}) {
    ::setenv("VOXGRAD_THREADS", std::to_string(count).c_str(), 1);
    on_host(0, {}, [&] { CHECK(threads() == count); });
  }
  ::setenv("VOXGRAD_THREADS", "", 1);
  on_host(0, {}, [] { CHECK(threads() >= 1); });
  if (set == nullptr)
    ::unsetenv("VOXGRAD_THREADS");
  else
    ::setenv("VOXGRAD_THREADS", before.c_str(), 1);
}

TEST_CASE("a container with a quota has so many cores, rounded up") {
  const test::Folder folder;
  test::write_bytes(folder.file("list"), "0::/\n");
  const auto cores = [&](const std::string& content) {
    test::write_bytes(folder.file("cpu.max"), content);
    return cpu::cores_of_quotas(folder.file("list"), folder.file(""), 8);
  };
  CHECK(cores("max 100000\n") == 8);
  CHECK(cores("200000 100000\n") == 2);
  CHECK(cores("150000 100000\n") == 2);
  CHECK(cores("10000 100000\n") == 1);
  CHECK(cores("1600000 100000\n") == 8);
  CHECK(cores("200000 0\n") == 8);
  CHECK(cores("200000\n") == 8);
  CHECK(cores("") == 8);
  CHECK(cpu::cores_of_quotas(folder.file("list"), folder.file("nowhere"), 8) == 8);
  CHECK(cores("200000 100000\n") == 2);
  CHECK(cpu::cores_of_quotas(folder.file("nowhere"), folder.file(""), 8) == 8);
}

TEST_CASE("the quota of a control group counts for the groups below it, in both versions") {
  const test::Folder folder;
  std::filesystem::create_directories(folder.file("a/b"));
  std::filesystem::create_directories(folder.file("cpu/x"));
  const auto cores = [&](const std::string& list) {
    test::write_bytes(folder.file("list"), list);
    return cpu::cores_of_quotas(folder.file("list"), folder.file(""), 8);
  };
  test::write_bytes(folder.file("a/cpu.max"), "200000 100000\n");
  test::write_bytes(folder.file("a/b/cpu.max"), "max 100000\n");
  CHECK(cores("0::/a/b\n") == 2);
  CHECK(cores("0::/a/not_seen_here\n") == 2);
  CHECK(cores("0::/other\n") == 8);
  test::write_bytes(folder.file("a/b/cpu.max"), "50000 100000\n");
  CHECK(cores("0::/a/b\n") == 1);
  const std::string older = "5:memory:/a\n4:cpu,cpuacct:/x\n1:name=systemd:/a\n";
  test::write_bytes(folder.file("cpu/x/cpu.cfs_period_us"), "100000\n");
  test::write_bytes(folder.file("cpu/x/cpu.cfs_quota_us"), "-1\n");
  CHECK(cores(older) == 8);
  test::write_bytes(folder.file("cpu/cpu.cfs_period_us"), "100000\n");
  test::write_bytes(folder.file("cpu/cpu.cfs_quota_us"), "500000\n");
  CHECK(cores(older) == 5);
  test::write_bytes(folder.file("cpu/x/cpu.cfs_quota_us"), "300000\n");
  CHECK(cores(older) == 3);
  CHECK(cores("\nno group\n0:\n") == 8);
}

#ifdef __linux__
std::int64_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

// Waits until the process has this number of threads: Linux lists a thread for a moment after it was joined.
bool settles_at(std::int64_t count) {
  for (int i = 0; i < 500 && threads_of_process() != count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return threads_of_process() == count;
}

TEST_CASE("threads are started by the first call that has use for them, end when told to, and start again") {
  shut_down_threads();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const std::int64_t others = threads_of_process();  // those of a BLAS, for example
  with_threads(1, [] { CHECK(blocks_of(100, 1).size() == 100); });
  CHECK(settles_at(others));
  for (int round = 0; round < 20; ++round) {
    with_threads(3, [] { CHECK(blocks_of(100, 1).size() == 100); });
    CHECK(settles_at(others + 2));
    shut_down_threads();
    CHECK(settles_at(others));
  }
}
#endif

TEST_CASE("threads cannot be waited for by themselves") {
  with_threads(2, [] {
    CHECK(contains(error_of([] { parallel_for(10, 1, [](std::int64_t, std::int64_t) { shut_down_threads(); }); }),
                   "inside the body"));
  });
}

TEST_CASE("several callers at once all get their work done, while threads come and go") {
  with_threads(3, [] {
    std::atomic<int> wrong = 0;
    const auto caller = [&wrong] {
      for (int round = 0; round < 300; ++round) {
        std::vector<std::int64_t> out(500, 0);
        parallel_for(500, 7, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) nth(out, i) += i;
        });
        for (std::int64_t i = 0; i < 500; ++i) wrong += nth(out, i) != i;
      }
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i) callers.emplace_back(caller);
    for (int i = 0; i < 50; ++i) shut_down_threads();
    for (std::thread& thread : callers) thread.join();
    CHECK(wrong == 0);
  });
}

TEST_CASE("a caller that begins while another has the threads gets them for the rest of its blocks") {
  with_threads(2, [] {
    const auto rest = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    std::atomic<bool> release = false;
    std::atomic<int> held = 0, elsewhere = 0;
    std::thread other([&] {
      parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
        ++held;
        while (!release) rest();
      });
    });
    for (int i = 0; held < 2 && i < 10000; ++i) rest();
    const auto caller = std::this_thread::get_id();
    parallel_for(4, 1, [&](std::int64_t begin, std::int64_t) {
      elsewhere += std::this_thread::get_id() != caller;
      if (begin == 0) {  // alone; afterwards the threads are free
        release = true;
        other.join();
      }
      for (int i = 0; begin == 1 && elsewhere == 0 && i < 10000; ++i) rest();  // leaves a block to the other thread
    });
    CHECK(elsewhere > 0);
  });
}

TEST_CASE("the threads of a host run every block once, in their order, and exceptions arrive") {
  std::vector<std::int64_t> seen;
  const ParallelFor host = [&seen](std::int64_t count, const std::function<void(std::int64_t)>& block) {
    std::thread([&] {
      for (std::int64_t i = count; i-- > 0;) {
        seen.push_back(i);
        block(i);
      }
    }).join();
  };
  on_host(0, host, [] { CHECK(blocks_of(50, 10).size() == 5); });
  CHECK(seen == std::vector<std::int64_t>{4, 3, 2, 1, 0});
  seen.clear();
  on_host(1, host, [] { CHECK(blocks_of(50, 10).size() == 5); });
  CHECK(seen.empty());
  on_host(2, host, [] {
    parallel_for(3, 1, [](std::int64_t, std::int64_t) { parallel_for(9, 1, [](std::int64_t, std::int64_t) {}); });
    CHECK(error_of([] {
            parallel_for(9, 1, [](std::int64_t begin, std::int64_t) { check(begin != 7, "block 7"); });
          }) == "block 7");
  });
  CHECK(seen.size() == 12);  // nested calls run in their block

  on_host(
      2, [](std::int64_t, const std::function<void(std::int64_t)>& block) { block(0); },
      [] {
        CHECK(contains(error_of([] { parallel_for(3, 1, [](std::int64_t, std::int64_t) {}); }), "ran 1 of 3 blocks"));
      });
}

TEST_CASE("a host that calls wrong blocks is refused and runs none twice, and its own parallel_for runs alone") {
  using Block = std::function<void(std::int64_t)>;
  const auto refusal = [](std::int64_t shift, std::int64_t again) {
    const ParallelFor host = [=](std::int64_t count, const Block& block) {
      for (std::int64_t i = 0; i < count; ++i) block(i == 1 ? again : i + shift);
    };
    std::vector<int> visits(9);
    std::string said;
    on_host(2, host, [&] {
      said = error_of([&] { parallel_for(9, 3, [&](std::int64_t begin, std::int64_t) { ++nth(visits, begin); }); });
    });
    CHECK(*std::max_element(visits.begin(), visits.end()) == 1);
    return said;
  };
  CHECK(contains(refusal(0, 0), "ran 2 of 3 blocks, and called 1 twice or outside"));  // 0 0 2
  CHECK(contains(refusal(1, 3), "ran 1 of 3 blocks, and called 2 twice or outside"));  // 1 3 3
  CHECK(contains(refusal(0, -7), "ran 2 of 3 blocks"));
  const ParallelFor own = [](std::int64_t count, const Block& block) {
    parallel_for(count, 1, [&](std::int64_t begin, std::int64_t) { block(begin); });
  };
  on_host(2, own, [] { CHECK(blocks_of(50, 10).size() == 5); });
  on_host(
      2, [](std::int64_t, const Block&) { check(false, "the host"); },
      [] {
        CHECK(error_of([] { blocks_of(50, 10); }) == "the host");
        shut_down_threads();  // is refused if the failed call counts as running
      });
}

// Two callers that wait for each other inside of a block: they get on only if each has workers of its own. Every block
// of a caller waits until all four have begun.
TEST_CASE("two callers with their own resources both have threads, at the same time") {
  std::atomic<int> begun = 0, late = 0;
  const auto caller = [&] {
    const Resources own(2);
    const Resources::Use use(&own);
    parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
      ++begun;
      for (int i = 0; begun < 4 && i < 10000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      late += begun < 4;
    });
  };
  std::thread other(caller);
  caller();
  other.join();
  CHECK(late == 0);
}

TEST_CASE("resources are those of the thread that uses them and of its blocks, until the use ends") {
  const Resources own(3), inner(1);
  const int before = threads();
  std::thread([&] { CHECK(Resources::current() == nullptr); }).join();
  {
    const Resources::Use use(&own);
    CHECK(threads() == 3);
    std::thread([&] { CHECK(Resources::current() == nullptr); }).join();
    std::atomic<int> foreign = 0;
    parallel_for(64, 1, [&](std::int64_t, std::int64_t) { foreign += Resources::current() != &own; });
    CHECK(foreign == 0);
    const Resources::Use again(&inner);
    set_threads(2);
    CHECK(threads() == 2);
    const Resources::Use none(nullptr);
    CHECK(threads() == before);
  }
  CHECK(threads() == before);
  CHECK_THROWS_AS(Resources(-1), Error);
}

TEST_CASE("tensors are in the memory of the resources that made them, and outlive these if the memory is kept") {
  std::shared_ptr<Backend> memory;
  Tensor kept;
  const std::size_t before = cpu_backend().pool().statistics().allocations;
  {
    const Resources own(2);
    memory = own.cpu();
    const Resources::Use use(&own);
    kept = full({1000}, 2) * 3;
    CHECK(&kept.backend() == memory.get());
    CHECK(memory->pool().statistics().in_use >= 4000);
  }
  CHECK(cpu_backend().pool().statistics().allocations == before);
  CHECK(kept.at(999) == 6);
  kept = Tensor();
  CHECK(memory->pool().statistics().in_use == 0);
}

TEST_CASE("blocks without elements are refused") {
  const auto body = [](std::int64_t, std::int64_t) {};
  for (const std::int64_t grain : {0, -1})
    CHECK(contains(error_of([&] { parallel_for(9, grain, body); }), text("a block of ", grain)));
}

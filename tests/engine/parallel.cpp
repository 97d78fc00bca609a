// parallel_for: every element once, blocks cut by size, exceptions, nesting.
#include "tests/test.h"

#include <atomic>
#include <mutex>
#include <set>
#include <vector>

#include "engine/parallel.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {

// Runs f with a number of threads and puts the old one back.
template <class F>
void with_threads(int count, const F& f) {
  const int before = threads();
  set_threads(count);
  f();
  set_threads(before);
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

TEST_CASE("a wrong number of threads is refused") {
  const int before = threads();
  CHECK(before >= 1);
  CHECK(contains(error_of([] { set_threads(0); }), "got 0"));
  CHECK_THROWS_AS(set_threads(-2), Error);
  CHECK(threads() == before);
}

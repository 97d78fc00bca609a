// The pool: size classes, reuse, statistics, the limit and what its message says; a release allocates nothing.
#include "tests/test.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <new>
#include <thread>
#include <vector>

#include "engine/backend.h"
#include "engine/memory.h"
#include "engine/random.h"
#include "engine/tensor.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

#ifndef __SANITIZE_ADDRESS__  // which has its own, and sees more with them
namespace {
thread_local std::int64_t allocations = 0;  // number of calls of operator new by this thread
}

// The functions are not inlined, because GCC 12 would warn of mismatched new and free.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* block = std::malloc(bytes == 0 ? 1 : bytes)) return block;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
#endif

namespace {

// A device with a capacity. It counts its allocations.
struct FakeDevice {
  std::size_t capacity = SIZE_MAX, used = 0;
  int blocks = 0;
  std::map<void*, std::size_t> sizes;
  Pool pool{[this](std::size_t bytes) -> void* {
              if (used + bytes > capacity) return nullptr;
              void* block = ::operator new (bytes, std::align_val_t{64});
              sizes[block] = bytes;
              used += bytes;
              ++blocks;
              return block;
            },
            [this](void* block) {
              used -= sizes.at(block);
              sizes.erase(block);
              ::operator delete (block, std::align_val_t{64});
            }};
};

}  // namespace

TEST_CASE("a size class holds its request, wastes at most a quarter, and is its own class") {
  Random random(61);
  for (int i = 0; i < 2000; ++i) {
    const auto bytes = static_cast<std::size_t>(1 + random.below(std::int64_t{1} << (1 + random.below(40))));
    const std::size_t size = Pool::size_class(bytes);
    CHECK(size >= bytes);
    CHECK(Pool::size_class(size) == size);
    CHECK(size % 64 == 0);
    if (bytes > 256) CHECK(static_cast<double>(size - bytes) < 0.25 * static_cast<double>(bytes));
  }
  CHECK(Pool::size_class(0) > 0);
}

TEST_CASE("a released block is used again, whatever its class was asked for, and counted") {
  FakeDevice device;
  void* a = device.pool.allocate(1000);
  const std::size_t size = Pool::size_class(1000);
  CHECK(reinterpret_cast<std::uintptr_t>(a) % 64 == 0);
  CHECK(device.pool.statistics().in_use == size);
  device.pool.release(a, 1000);
  CHECK(device.pool.statistics().in_use == 0);
  CHECK(device.pool.statistics().cached == size);
  void* b = device.pool.allocate(size);
  CHECK(a == b);
  CHECK(device.blocks == 1);
  CHECK(device.pool.statistics().allocations == 2);
  CHECK(device.pool.statistics().cached == 0);
  void* c = device.pool.allocate(10 * size);
  device.pool.release(b, size);
  CHECK(device.pool.statistics().peak == size + Pool::size_class(10 * size));
  device.pool.reset_peak();
  CHECK(device.pool.statistics().peak == Pool::size_class(10 * size));
  device.pool.release(c, 10 * size);
  device.pool.trim();
  CHECK(device.used == 0);
  CHECK(device.pool.statistics().cached == 0);
}

TEST_CASE("beyond the limit: the cache is given back first, then an error with the numbers and a remedy") {
  FakeDevice device;
  device.pool.set_limit(10000);
  device.pool.release(device.pool.allocate(6144), 6144);
  void* a = device.pool.allocate(8192);  // fits only after the pool has returned the cached block
  CHECK(device.used == 8192);
  const std::string message = error_of([&] { device.pool.allocate(4096); });
  CHECK(contains(message, "4096 bytes asked for"));
  CHECK(contains(message, "8192 in use"));
  CHECK(contains(message, "the limit is 10000"));
  CHECK(contains(message, "hint: "));
  try {
    device.pool.allocate(4096);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::memory);
  }
  device.pool.set_limit(0);
  void* b = device.pool.allocate(4096);
  device.pool.release(a, 8192);
  device.pool.release(b, 4096);
}

TEST_CASE("a device that is full says so, and works again once something is released") {
  FakeDevice device;
  device.capacity = 11000;
  void* a = device.pool.allocate(8192);
  CHECK(contains(error_of([&] { device.pool.allocate(4096); }), "the device has none left"));
  CHECK(device.pool.statistics().in_use == 8192);
  device.pool.release(a, 8192);
  void* b = device.pool.allocate(9000);
  device.pool.release(b, 9000);
}

TEST_CASE("large blocks: pieces are cut to measure and join again") {
  constexpr std::size_t kMega = 1 << 20;
  FakeDevice device;
  auto* const whole = static_cast<std::byte*>(device.pool.allocate(8 * kMega));
  device.pool.release(whole, 8 * kMega);
  auto* const a = static_cast<std::byte*>(device.pool.allocate(3 * kMega));
  auto* const b = static_cast<std::byte*>(device.pool.allocate(2 * kMega));
  auto* const c = static_cast<std::byte*>(device.pool.allocate(3 * kMega));
  CHECK(device.blocks == 1);
  CHECK(a == whole);
  CHECK(b == a + 3 * kMega);
  CHECK(c == b + 2 * kMega);
  CHECK(device.pool.statistics().cached == 0);
  device.pool.release(b, 2 * kMega);
  device.pool.release(a, 3 * kMega);
  auto* const again = static_cast<std::byte*>(device.pool.allocate(5 * kMega));  // fits only where both blocks were
  CHECK(again == a);
  CHECK(device.blocks == 1);
  device.pool.trim();  // no allocation of the device is wholly free
  CHECK(device.used == 8 * kMega);
  device.pool.release(c, 3 * kMega);
  device.pool.release(again, 5 * kMega);
  void* const larger = device.pool.allocate(9 * kMega);  // the free 8 MB return to the device
  CHECK(device.used == 9 * kMega);
  device.pool.release(larger, 9 * kMega);
  device.pool.trim();
  CHECK(device.used == 0);
}

TEST_CASE("large blocks never overlap, and little more is held than was ever in use") {
  FakeDevice device;
  Random random(7);
  std::map<std::byte*, std::size_t> held;
  for (int i = 0; i < 4000; ++i) {
    if (held.size() > 30 || (!held.empty() && random.chance(0.5))) {
      const auto it = std::next(held.begin(), random.below(static_cast<std::int64_t>(held.size())));
      device.pool.release(it->first, it->second);
      held.erase(it);
      continue;
    }
    const auto bytes = static_cast<std::size_t>((1 << 20) + random.below(1 << (21 + random.below(4))));
    auto* const block = static_cast<std::byte*>(device.pool.allocate(bytes));
    const auto after = held.lower_bound(block);
    const bool free_behind = after == held.end() || block + bytes <= after->first;
    const bool free_before = after == held.begin() || std::prev(after)->first + std::prev(after)->second <= block;
    REQUIRE(free_behind);
    REQUIRE(free_before);
    held[block] = bytes;
    const MemoryStatistics s = device.pool.statistics();
    REQUIRE(s.in_use + s.cached == device.used);
  }
  CHECK(static_cast<double>(device.used) < 1.5 * static_cast<double>(device.pool.statistics().peak));
  for (const auto& [block, bytes] : held) device.pool.release(block, bytes);
  device.pool.trim();
  CHECK(device.used == 0);
}

TEST_CASE("a pool that has no way to give memory back keeps its pieces when none fits") {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  std::size_t given = 0, capacity = 8 * kMiB;
  alignas(64) static std::byte memory[12 * kMiB];
  Pool pool(
      [&](std::size_t bytes) -> void* {
        if (given + bytes > capacity) return nullptr;
        given += bytes;
        return memory + given - bytes;
      },
      nullptr);
  pool.release(pool.allocate(6 * kMiB), 6 * kMiB);
  CHECK(contains(error_of([&] { pool.allocate(7 * kMiB); }), "none left"));
  pool.trim();
  CHECK(pool.allocate(2 * kMiB) == memory);  // the piece and its rest are still there
  CHECK(contains(error_of([&] { pool.allocate(5 * kMiB); }), "none left"));
  CHECK(pool.allocate(4 * kMiB) == memory + 2 * kMiB);
  capacity = 12 * kMiB;
  CHECK(pool.allocate(5 * kMiB) == memory + 6 * kMiB);
}

#ifndef __SANITIZE_ADDRESS__
TEST_CASE("a release allocates nothing, whatever came before") {
  Pool pool(std::malloc, std::free);
  for (const std::int64_t scale : {std::int64_t{1} << 12, std::int64_t{1} << 24}) {  // small blocks, and large ones
    Random random(11);
    std::vector<std::pair<void*, std::size_t>> held;
    std::int64_t in_releases = 0, in_all = allocations;
    for (int i = 0; i < 3000; ++i) {
      if (held.size() > 200 || (!held.empty() && random.chance(0.45))) {
        std::swap(held[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(held.size())))], held.back());
        const std::int64_t before = allocations;
        pool.release(held.back().first, held.back().second);
        in_releases += allocations - before;
        held.pop_back();
      } else {
        const auto bytes = static_cast<std::size_t>(scale / 8 + random.below(scale));
        held.emplace_back(pool.allocate(bytes), bytes);
      }
      if (i % 1000 == 999) pool.trim();
    }
    in_all = allocations - in_all;
    for (const auto& [block, bytes] : held) pool.release(block, bytes);
    CHECK(in_releases == 0);
    CHECK(in_all > 0);  // proves that the counter works
  }
}
#endif

TEST_CASE("tensors return their memory with the last handle") {
  Pool& pool = cpu_backend().pool();
  const std::size_t before = pool.statistics().in_use;
  {
    const Tensor x = empty({1000, 1000});
    const Tensor y = x, part = x.alias(10, {5});
    CHECK(pool.statistics().in_use == before + Pool::size_class(4000000));
    CHECK(!x.unique());
  }
  CHECK(pool.statistics().in_use == before);
}

TEST_CASE("threads may allocate and release at the same time") {
  FakeDevice device;
  std::vector<std::thread> workers;
  for (std::uint64_t id = 0; id < 4; ++id)
    workers.emplace_back([&device, id] {
      Random random(id);
      std::vector<std::pair<void*, std::size_t>> held;
      for (int i = 0; i < 3000; ++i) {
        if (held.size() > 20 || (!held.empty() && random.chance(0.5))) {
          device.pool.release(held.back().first, held.back().second);
          held.pop_back();
        } else {
          const auto bytes = static_cast<std::size_t>(1 + random.below(5000));
          void* block = device.pool.allocate(bytes);
          *static_cast<std::uint64_t*>(block) = id;
          held.emplace_back(block, bytes);
        }
      }
      for (const auto& [block, bytes] : held) device.pool.release(block, bytes);
    });
  for (std::thread& worker : workers) worker.join();
  CHECK(device.pool.statistics().in_use == 0);
  CHECK(device.pool.statistics().cached == device.used);
}

// Memory of a device: a pool over the device's allocator, with statistics and a limit. Blocks are aligned to 64 bytes,
// and the pool caches released blocks for reuse. A small block never changes its size. For a large one the pool splits
// the smallest free piece that is large enough, and merges it with its free neighbours when it is released. The reason
// is that the maps of a network have many sizes: a cache for each size would hold far more than is ever in use.
//
// Thread safety: several threads may call any function of a Pool at the same time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace voxgrad {

class Backend;

struct MemoryStatistics {
  std::size_t in_use = 0;       // bytes that are allocated now
  std::size_t peak = 0;         // the largest in_use since the start or reset_peak()
  std::size_t cached = 0;       // bytes that were released and wait for reuse
  std::size_t allocations = 0;  // number of allocate() calls since the start
};

class Pool {
 public:
  // `allocate` returns nullptr when the device has no memory left. Without `release` the pool returns nothing to the
  // device.
  Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Returns memory for `bytes`; 0 gives a valid pointer. If the device has none left or the limit would be exceeded,
  // the pool returns its cache to the device and tries once more. Error(memory) with the numbers if that fails too.
  void* allocate(std::size_t bytes);
  // Takes back a block that allocate(bytes) returned. It neither allocates nor throws, because destructors call it.
  void release(void* pointer, std::size_t bytes) noexcept;
  MemoryStatistics statistics() const;
  void reset_peak();
  void trim();                                       // returns the cached blocks to the device
  void set_limit(std::size_t bytes);                 // 0 means no limit
  static std::size_t size_class(std::size_t bytes);  // the size of a block for `bytes`

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The memory of tensors: a block of the backend's pool, or memory that the caller owns. `release` is called once, when
// the last tensor on it is destroyed.
class Storage {
 public:
  Storage(Backend& backend, std::size_t bytes);
  Storage(Backend& backend, void* data, std::function<void(void*)> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  void* data() const { return data_; }
  Backend& backend() const { return backend_; }

 private:
  Backend& backend_;
  void* data_;
  std::function<void(void*)> release_;
};

}  // namespace voxgrad

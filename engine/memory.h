// Memory of a device: a pool over the device's allocator, with statistics and a limit. Blocks are 64-byte aligned, and
// released blocks are kept for reuse. Small blocks keep their size for life. A large one is the smallest free piece
// that is large enough, cut to measure, and joins its free neighbours again when it is released: the maps of a network
// have many sizes, and a cache of each size would hold far more than is ever in use.
//
// Thread safety: every function of a Pool may be called by several threads at once.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace voxgrad {

class Backend;

struct MemoryStatistics {
  std::size_t in_use = 0;       // bytes handed out now
  std::size_t peak = 0;         // largest in_use since start or reset_peak()
  std::size_t cached = 0;       // bytes kept for reuse
  std::size_t allocations = 0;  // requests since the start
};

class Pool {
 public:
  // `allocate` returns nullptr when the device has no memory left. Without `release` nothing is ever given back.
  Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Memory for `bytes` (0 gives a valid pointer). Error(memory) with the numbers if there is none or the limit is met;
  // the cache is given back and the request tried once more before that.
  void* allocate(std::size_t bytes);
  // The block goes back; `bytes` as they were asked for. Allocates nothing and throws nothing: destructors call it.
  void release(void* pointer, std::size_t bytes) noexcept;
  MemoryStatistics statistics() const;
  void reset_peak();
  void trim();                                       // gives the cached blocks back to the device
  void set_limit(std::size_t bytes);                 // 0: none
  static std::size_t size_class(std::size_t bytes);  // what a block for `bytes` takes

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The memory behind tensors: a block of the backend's pool, or memory of somebody else. `release` is called once, when
// the last tensor on it is gone.
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

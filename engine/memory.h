// Memory of a device: a pool over the device's allocator, with statistics and a limit. Thread-safe; blocks are 64-byte
// aligned; released blocks are kept for reuse. Small blocks keep their size for life. A large one is the smallest free
// piece that is large enough, cut to measure, and joins its free neighbours again when it is released: the maps of a
// network have many sizes, and a cache of each size would hold far more than is ever in use.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

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
  // `allocate` returns nullptr when the device has no memory left.
  Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Memory for `bytes` (0 gives a valid pointer). Error(memory) with the numbers if there is none or the limit is met;
  // the cache is given back and the request tried once more before that.
  void* allocate(std::size_t bytes);
  void release(void* pointer, std::size_t bytes);
  MemoryStatistics statistics() const;
  void reset_peak();
  void trim();                                       // gives the cached blocks back to the device
  void set_limit(std::size_t bytes);                 // 0: none
  static std::size_t size_class(std::size_t bytes);  // what a block for `bytes` takes

 private:
  // A part of what the device gave in one piece; `first`: its beginning.
  struct Piece {
    std::size_t size;
    bool first, free;
  };
  using Pieces = std::map<std::byte*, Piece>;

  void* small_block(std::size_t size);
  void* large_block(std::size_t size);
  void release_large(std::byte* pointer);
  bool is_whole(Pieces::const_iterator piece) const;  // all that the device gave
  void give_back(Pieces::iterator piece);
  void* from_device(std::size_t bytes);
  void trim_locked();
  std::function<void*(std::size_t)> allocate_;
  std::function<void(void*)> release_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;  // small blocks by size
  Pieces pieces_;                                   // large ones by address, free or not
  std::set<std::pair<std::size_t, std::byte*>> free_pieces_;
  MemoryStatistics statistics_;
  std::size_t limit_ = 0;
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

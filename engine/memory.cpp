#include "engine/memory.h"

#include <algorithm>
#include <bit>

#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad {

Pool::Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release)
    : allocate_(std::move(allocate)), release_(std::move(release)) {}

Pool::~Pool() { trim(); }

// Four classes per power of two: at most a quarter of a block is wasted.
std::size_t Pool::size_class(std::size_t bytes) {
  constexpr std::size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  const std::size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

void* Pool::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  ++statistics_.allocations;
  void* block = nullptr;
  if (auto it = free_.find(size); it != free_.end() && !it->second.empty()) {
    block = it->second.back();
    it->second.pop_back();
    statistics_.cached -= size;
  } else {
    block = from_device(size);
  }
  statistics_.in_use += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
  return block;
}

void* Pool::from_device(std::size_t bytes) {
  const auto fits = [&] { return limit_ == 0 || statistics_.in_use + statistics_.cached + bytes <= limit_; };
  void* block = fits() ? allocate_(bytes) : nullptr;
  if (block == nullptr) {
    trim_locked();
    block = fits() ? allocate_(bytes) : nullptr;
  }
  if (block == nullptr)
    throw Error(ErrorKind::memory,
                text("memory: ", bytes, " bytes asked for, ", statistics_.in_use, " in use",
                     limit_ ? text(", the limit is ", limit_) : std::string(", the device has none left")),
                "a smaller --patch, --batch or --base needs less; --dry-run prints the planned peak");
  return block;
}

void Pool::release(void* pointer, std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  free_[size].push_back(pointer);
  statistics_.in_use -= size;
  statistics_.cached += size;
}

MemoryStatistics Pool::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void Pool::reset_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak = statistics_.in_use;
}

void Pool::set_limit(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

void Pool::trim() {
  const std::lock_guard lock(mutex_);
  trim_locked();
}

void Pool::trim_locked() {
  for (auto& [size, blocks] : free_)
    for (void* block : blocks) release_(block);
  free_.clear();
  statistics_.cached = 0;
}

Storage::Storage(Backend& backend, std::size_t bytes)
    : backend_(backend), bytes_(bytes), data_(backend.pool().allocate(bytes)) {}

Storage::~Storage() { backend_.pool().release(data_, bytes_); }

}  // namespace voxgrad

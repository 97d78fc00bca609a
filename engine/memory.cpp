#include "engine/memory.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad {

Pool::Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release)
    : allocate_(std::move(allocate)), release_(std::move(release)) {}

Pool::~Pool() { trim(); }

namespace {
constexpr std::size_t kLarge = 1 << 20, kGranularity = 1 << 16;
}

// Small: four classes per power of two, so that at most a quarter of a block is wasted. Large: multiples of 64 KiB.
std::size_t Pool::size_class(std::size_t bytes) {
  constexpr std::size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  const std::size_t step = bytes >= kLarge ? kGranularity : std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

void* Pool::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  ++statistics_.allocations;
  void* const block = size >= kLarge ? large_block(size) : small_block(size);
  statistics_.in_use += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
  return block;
}

void* Pool::small_block(std::size_t size) {
  const auto it = free_.find(size);
  if (it == free_.end() || it->second.empty()) return from_device(size);
  void* const block = it->second.back();
  it->second.pop_back();
  statistics_.cached -= size;
  return block;
}

void* Pool::large_block(std::size_t size) {
  const auto fit = free_pieces_.lower_bound({size, nullptr});
  if (fit == free_pieces_.end()) {
    // Instead of adding to pieces that are too small: those give way.
    for (std::size_t given = 0; given < size;) {
      auto it = free_pieces_.rbegin();
      while (it != free_pieces_.rend() && !is_whole(pieces_.find(it->second))) ++it;
      if (it == free_pieces_.rend()) break;
      given += it->first;
      give_back(pieces_.find(it->second));
    }
    auto* const block = static_cast<std::byte*>(from_device(size));
    pieces_[block] = {size, true, false};
    return block;
  }
  std::byte* const block = fit->second;
  free_pieces_.erase(fit);
  Piece& piece = pieces_.at(block);
  piece.free = false;
  if (piece.size > size) {
    pieces_[block + size] = {piece.size - size, false, true};
    free_pieces_.emplace(piece.size - size, block + size);
    piece.size = size;
  }
  statistics_.cached -= size;
  return block;
}

void Pool::release(void* pointer, std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  statistics_.in_use -= size;
  statistics_.cached += size;
  if (size >= kLarge)
    release_large(static_cast<std::byte*>(pointer));
  else
    free_[size].push_back(pointer);
}

void Pool::release_large(std::byte* pointer) {
  auto piece = pieces_.find(pointer);
  if (const auto next = std::next(piece); next != pieces_.end() && next->second.free && !next->second.first) {
    free_pieces_.erase({next->second.size, next->first});
    piece->second.size += next->second.size;
    pieces_.erase(next);
  }
  if (!piece->second.first && std::prev(piece)->second.free) {
    const auto before = std::prev(piece);
    free_pieces_.erase({before->second.size, before->first});
    before->second.size += piece->second.size;
    pieces_.erase(piece);
    piece = before;
  }
  piece->second.free = true;
  free_pieces_.emplace(piece->second.size, piece->first);
}

bool Pool::is_whole(Pieces::const_iterator piece) const {
  const auto next = std::next(piece);
  return piece->second.first && (next == pieces_.end() || next->second.first);
}

void Pool::give_back(Pieces::iterator piece) {
  free_pieces_.erase({piece->second.size, piece->first});
  statistics_.cached -= piece->second.size;
  release_(piece->first);
  pieces_.erase(piece);
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
                "smaller patches, fewer of them at a time or fewer channels need less");
  return block;
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
    for (void* block : blocks) {
      statistics_.cached -= size;
      release_(block);
    }
  free_.clear();
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    const auto next = std::next(piece);
    if (piece->second.free && is_whole(piece)) give_back(piece);
    piece = next;
  }
}

Storage::Storage(Backend& backend, std::size_t bytes)
    : backend_(backend), pool_(backend.pool()), bytes_(bytes), data_(pool_.allocate(bytes)) {}

Storage::~Storage() { pool_.release(data_, bytes_); }

}  // namespace voxgrad

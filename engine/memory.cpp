#include "engine/memory.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad {
namespace {

constexpr std::size_t kLarge = 1 << 20, kGranularity = 1 << 16;

// The blocks of one small size. The capacity of `free` suffices for all of them, so a release allocates nothing.
struct Blocks {
  std::vector<void*> free;
  std::size_t total = 0;
};

using FreePieces = std::set<std::pair<std::size_t, std::byte*>>;

// A part of a large allocation of the device. While the piece is in use, it holds the node that its release inserts
// into the set of free pieces, so a release allocates nothing.
struct Piece {
  std::size_t size;
  bool first;  // it is the beginning of the allocation
  FreePieces::node_type node;
  bool free() const { return node.empty(); }
};
using Pieces = std::map<std::byte*, Piece>;

FreePieces::node_type new_node() {
  FreePieces one{{0, nullptr}};
  return one.extract(one.begin());
}

}  // namespace

// The caller of each member function has locked the mutex.
struct Pool::State {
  std::function<void*(std::size_t)> allocate_on_device;
  std::function<void(void*)> release_on_device;
  std::mutex mutex = {};
  std::map<std::size_t, Blocks> small = {};  // by size
  Pieces pieces = {};                        // all of them, free or in use, by address
  FreePieces free_pieces = {};
  MemoryStatistics statistics = {};
  std::size_t limit = 0;

  void* small_block(std::size_t size) {
    Blocks& blocks = small[size];
    if (blocks.free.empty()) {
      if (blocks.free.capacity() <= blocks.total) blocks.free.reserve(2 * blocks.total + 1);
      void* const block = from_device(size);
      ++blocks.total;
      return block;
    }
    void* const block = blocks.free.back();
    blocks.free.pop_back();
    statistics.cached -= size;
    return block;
  }

  void* large_block(std::size_t size) {
    const auto fit = free_pieces.lower_bound({size, nullptr});
    if (fit == free_pieces.end()) return new_block(size);
    const auto piece = pieces.find(fit->second);
    if (piece->second.size > size) {
      std::byte* const rest = piece->first + size;
      const auto after = pieces.emplace(rest, Piece{piece->second.size - size, false, {}}).first;
      try {
        free_pieces.emplace(after->second.size, rest);
      } catch (...) {
        pieces.erase(after);
        throw;
      }
      piece->second.size = size;
    }
    piece->second.node = free_pieces.extract(fit);
    statistics.cached -= size;
    return piece->first;
  }

  // A new allocation of the device. Before that, free allocations of at least the same size in total return to the
  // device: they were too small for this block, and the pool would only grow if it kept them.
  void* new_block(std::size_t size) {
    for (std::size_t returned = 0; release_on_device && returned < size;) {
      auto it = free_pieces.rbegin();
      while (it != free_pieces.rend() && !is_whole(pieces.find(it->second))) ++it;
      if (it == free_pieces.rend()) break;
      returned += it->first;
      return_to_device(pieces.find(it->second));
    }
    Pieces one;  // is made before the device allocates, because this may throw
    one.emplace(nullptr, Piece{size, true, new_node()});
    auto node = one.extract(one.begin());
    node.key() = static_cast<std::byte*>(from_device(size));
    return pieces.insert(std::move(node)).position->first;
  }

  void release_large(std::byte* pointer) {
    auto piece = pieces.find(pointer);
    auto node = std::move(piece->second.node);
    if (const auto next = std::next(piece); next != pieces.end() && next->second.free() && !next->second.first) {
      free_pieces.erase({next->second.size, next->first});
      piece->second.size += next->second.size;
      pieces.erase(next);
    }
    if (!piece->second.first && std::prev(piece)->second.free()) {
      const auto before = std::prev(piece);
      free_pieces.erase({before->second.size, before->first});
      before->second.size += piece->second.size;
      pieces.erase(piece);
      piece = before;
    }
    node.value() = {piece->second.size, piece->first};
    free_pieces.insert(std::move(node));
  }

  // Whether the piece is a whole allocation of the device.
  bool is_whole(Pieces::const_iterator piece) const {
    const auto next = std::next(piece);
    return piece->second.first && (next == pieces.end() || next->second.first);
  }

  void return_to_device(Pieces::iterator piece) {
    free_pieces.erase({piece->second.size, piece->first});
    statistics.cached -= piece->second.size;
    release_on_device(piece->first);
    pieces.erase(piece);
  }

  void* from_device(std::size_t bytes) {
    const auto fits = [&] { return limit == 0 || statistics.in_use + statistics.cached + bytes <= limit; };
    void* block = fits() ? allocate_on_device(bytes) : nullptr;
    if (block == nullptr) {
      trim();
      block = fits() ? allocate_on_device(bytes) : nullptr;
    }
    if (block == nullptr)
      throw Error(ErrorKind::memory,
                  text("memory: ", bytes, " bytes asked for, ", statistics.in_use, " in use",
                       limit ? text(", the limit is ", limit) : std::string(", the device has none left")),
                  "smaller patches, fewer samples at once or a smaller network need less");
    return block;
  }

  void trim() {
    if (!release_on_device) return;
    for (auto& [size, blocks] : small) {
      for (void* block : blocks.free) release_on_device(block);
      statistics.cached -= size * blocks.free.size();
      blocks.total -= blocks.free.size();
      blocks.free.clear();
    }
    for (auto piece = pieces.begin(); piece != pieces.end();) {
      const auto next = std::next(piece);
      if (piece->second.free() && is_whole(piece)) return_to_device(piece);
      piece = next;
    }
  }
};

Pool::Pool(std::function<void*(std::size_t)> allocate, std::function<void(void*)> release)
    : state_(new State{std::move(allocate), std::move(release)}) {}

Pool::~Pool() { trim(); }

// From 256 bytes on, small blocks have four sizes per power of two, so less than a fifth of one is wasted. The sizes of
// large ones are multiples of 64 KiB.
std::size_t Pool::size_class(std::size_t bytes) {
  constexpr std::size_t kSmallest = 256;
  if (bytes <= kSmallest) return kSmallest;
  const std::size_t step = bytes >= kLarge ? kGranularity : std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

void* Pool::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(state_->mutex);
  MemoryStatistics& statistics = state_->statistics;
  ++statistics.allocations;
  void* const block = size >= kLarge ? state_->large_block(size) : state_->small_block(size);
  statistics.in_use += size;
  statistics.peak = std::max(statistics.peak, statistics.in_use);
  return block;
}

void Pool::release(void* pointer, std::size_t bytes) noexcept {
  const std::size_t size = size_class(bytes);
  const std::lock_guard lock(state_->mutex);
  state_->statistics.in_use -= size;
  state_->statistics.cached += size;
  if (size >= kLarge)
    state_->release_large(static_cast<std::byte*>(pointer));
  else
    state_->small.find(size)->second.free.push_back(pointer);
}

MemoryStatistics Pool::statistics() const {
  const std::lock_guard lock(state_->mutex);
  return state_->statistics;
}

void Pool::reset_peak() {
  const std::lock_guard lock(state_->mutex);
  state_->statistics.peak = state_->statistics.in_use;
}

void Pool::set_limit(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->limit = bytes;
}

void Pool::trim() {
  const std::lock_guard lock(state_->mutex);
  state_->trim();
}

Storage::Storage(Backend& backend, std::size_t bytes)
    : Storage(backend, backend.pool().allocate(bytes),
              [&pool = backend.pool(), bytes](void* data) { pool.release(data, bytes); }) {}

Storage::Storage(Backend& backend, void* data, std::function<void(void*)> release)
    : backend_(backend), data_(data), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) release_(data_);
}

}  // namespace voxgrad

#include "engine/cpu/pages.h"

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

namespace voxgrad {

void* allocate_pages(std::size_t bytes) {
  // For less than two huge pages, rounding up to a whole one would waste too much memory.
  constexpr std::size_t kHugePage = 2 << 20, kLine = 64;
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kLine;
  if (bytes > std::numeric_limits<std::size_t>::max() - alignment) return nullptr;
  void* const block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
  if (block != nullptr && alignment == kHugePage) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

Arena::Arena(std::span<std::byte> memory) {
  const std::size_t skip = -reinterpret_cast<std::uintptr_t>(memory.data()) % kAlignment;
  if (memory.size() > skip) free_[memory.data() + skip] = (memory.size() - skip) / kAlignment * kAlignment;
}

void* Arena::allocate(std::size_t bytes) {
  const std::size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->second >= size && (best == free_.end() || it->second < best->second)) best = it;
  if (best == free_.end() || size < bytes) return nullptr;
  // The rest comes first: if the list has no memory for it, nothing is lost.
  if (best->second > size) free_.emplace(best->first + size, best->second - size);
  auto piece = free_.extract(best);
  std::byte* const address = piece.key();
  piece.mapped() = size;
  used_.insert(std::move(piece));
  return address;
}

void Arena::release(void* pointer) {
  const auto piece = free_.insert(used_.extract(static_cast<std::byte*>(pointer))).position;
  if (const auto next = std::next(piece); next != free_.end() && piece->first + piece->second == next->first) {
    piece->second += next->second;
    free_.erase(next);
  }
  if (piece == free_.begin()) return;
  if (const auto before = std::prev(piece); before->first + before->second == piece->first) {
    before->second += piece->second;
    free_.erase(piece);
  }
}

}  // namespace voxgrad

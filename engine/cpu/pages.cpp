#include "engine/cpu/pages.h"

#include <cstdlib>
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

}  // namespace voxgrad

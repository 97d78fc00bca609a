// Memory from the operating system, or from a block of the caller. The pool of the CPU is the only caller.
#pragma once

#include <cstddef>
#include <map>
#include <span>

namespace voxgrad {

// Returns memory aligned to 64 bytes, or null if there is none; std::free releases it. For large blocks it asks the
// system for huge pages: they cause fewer page faults, and the processor prefetches across them.
void* allocate_pages(std::size_t bytes);

// Pieces of one block of memory. The smallest free piece that is large enough is taken, and a piece that is released is
// merged with its free neighbours.
class Arena {
 public:
  explicit Arena(std::span<std::byte> memory);
  void* allocate(std::size_t bytes);  // aligned to 64 bytes; null if no free piece is large enough
  void release(void* pointer);

 private:
  using Pieces = std::map<std::byte*, std::size_t>;  // sizes by address
  Pieces free_, used_;
};

}  // namespace voxgrad

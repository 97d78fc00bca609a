// Memory from the operating system. The pool of the CPU is the only caller.
#pragma once

#include <cstddef>

namespace voxgrad {

// Returns memory aligned to 64 bytes, or null if there is none; std::free releases it. For large blocks it asks the
// system for huge pages: they cause fewer page faults, and the processor prefetches across them.
void* allocate_pages(std::size_t bytes);

}  // namespace voxgrad

// Memory from the operating system, the only place that asks it.
#pragma once

#include <cstddef>

namespace voxgrad {

// Aligned to 64 bytes. Large blocks lie on huge pages where the system gives them to who asks: fewer page faults, and
// streams that do not stop at every 4 KiB. Null if there is no memory. Release with std::free.
void* allocate_pages(std::size_t bytes);

}  // namespace voxgrad

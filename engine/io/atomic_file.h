// Writing a file so that a crash, a full disk or a killed process never leaves half of it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace voxgrad {

using Bytes = std::span<const std::byte>;

// Writes the pieces, one after the other, as the file `path`. They go to `path`.tmp, which is then flushed to the disk
// (fsync), read back and compared, and renamed; at the end the directory is flushed. Every failure is an Error(io) with
// the reason of the system. The previous file is then unchanged and the temporary file removed. Only if the very last
// step fails is the new file already in place. A temporary file that a killed process left is overwritten. If two
// processes write the same path at the same time, the second one gets an Error(io).
void write_atomically(const std::string& path, const std::vector<Bytes>& pieces);

}  // namespace voxgrad

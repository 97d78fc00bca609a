// Files that a crash, a full disk or a kill never leaves half written.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace voxgrad {

using Bytes = std::span<const std::byte>;

// Writes the pieces, one after the other, as the file `path`: to `path`.tmp, fsync, read back and compared, renamed,
// directory fsync. Any failure is an Error(io) with the system's reason. The file that was there before is then
// untouched and the temporary gone; only if the very last step fails (fsync of the directory) is the new file in place.
// A temporary that a killed process left is overwritten. Two writers of one path at the same time: the second is
// refused.
void write_atomically(const std::string& path, const std::vector<Bytes>& pieces);

}  // namespace voxgrad

// Files that nobody vouches for. The HDF5 library dies of some damaged files, or never ends. So a child process reads
// each file first, with limits of time and memory, and what happens to it becomes a message.
#pragma once

#include <cstdint>
#include <string>

namespace voxgrad::apps {

struct ChildLimits {
  int seconds = 10;  // of the processor
  long megabytes = 1024;
};
// For a file of this size: arrays that are not compressed, or in a way that this library does not unpack, are all read.
ChildLimits limits_for(std::uintmax_t bytes);
// Calls read(path) in a child process. Throws Error(data) that names the file if the child dies, Error(memory) if there
// can be none, and Error(io) if its end is not known. What read() throws does not count, because whoever opens the file
// next is told the same.
void read_in_child(const std::string& path, const ChildLimits& limits, void (*read)(const std::string&));
// From here on every HDF5 file is read so (data::h5::walk) before it is opened for the first time.
void check_files_in_child();

}  // namespace voxgrad::apps

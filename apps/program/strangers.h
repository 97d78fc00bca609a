// Files of strangers. The HDF5 library dies of some damaged files, or never ends. So a process of its own reads each
// file first, with limits of time and memory; whatever happens to it, the program says.
#pragma once

#include <string>

namespace voxgrad::apps {

struct StrangerLimits {
  int seconds = 10;  // of the processor
  long megabytes = 1024;
};
// Calls read(path) in a process of its own. Throws Error(data) that names the file if that dies; what read() throws
// does not count, because whoever opens the file next is told the same.
void read_in_child(const std::string& path, const StrangerLimits& limits, void (*read)(const std::string&));
// From here on this is done with every HDF5 file before it is opened.
void guard_against_strangers();

}  // namespace voxgrad::apps

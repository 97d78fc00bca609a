// safetensors files: named tensors plus text metadata, written so that a crash never leaves half a file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::data {

struct TensorFile {
  std::vector<NamedTensor> tensors;  // on the CPU, sorted by name when read
  std::map<std::string, std::string> metadata;
};

// Written to a temporary name beside `path`, fsync, read back and compared, renamed, directory fsync. `metadata` gets a
// crc32 of the payload. Error(io) with the system's reason; the file that was there before is then untouched.
void save_tensors(const std::string& path, const TensorFile& file);

// Error(io) if it cannot be read; Error(model) for duplicates, holes, overlaps, a header above 16 MiB, sizes that
// overflow, a wrong crc32 (files without one are accepted).
TensorFile load_tensors(const std::string& path);

}  // namespace voxgrad::data

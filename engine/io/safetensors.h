// safetensors files: named tensors plus text metadata, written so that a crash never leaves half a file.
//
//   8 bytes   length of the header, little-endian
//   header    JSON {"__metadata__": {..}, "encoder.0.conv1.weight": {"dtype": "F32", "shape": [32, 1, 3, 3],
//             "data_offsets": [0, 1152]}, ..}, padded with spaces to a multiple of 8
//   payload   the elements, without gaps: largest element type first, then by name, so that all are aligned
//
// Types: F32, F64, BF16, I32, U8; I64 is read as i32 (counters of other frameworks) if the values fit.
// Three metadata keys belong to the format and are neither taken from the caller nor returned: "crc32" of the payload
// and "header_crc32" of the header's text with this one value set to zeros (8 lower-case hexadecimal digits each), and
// "voxgrad_format", which says that both must be there. So every flipped bit is found, in names too.
// Files of other programs, which have none of these, are read as well.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad {

struct TensorFile {
  std::vector<NamedTensor> tensors;  // on the CPU, sorted by name when read
  std::map<std::string, std::string> metadata;
};

// Written to a temporary name beside `path`, fsync, read back and compared, renamed, directory fsync
// (engine/io/atomic_file.h). Error(io) with the system's reason; the file that was there before is then untouched.
// Error(argument) for a name that is given twice, is "__metadata__" or no UTF-8, and for an undefined tensor.
void save_tensors(const std::string& path, const TensorFile& file);

// Error(io) if it cannot be read; Error(model) for duplicates, holes, overlaps, a header above 16 MiB, sizes that
// overflow, offsets beyond the file, trailing bytes, a wrong crc32 (files without one are accepted). All sizes are
// compared before memory is taken for a tensor. The time is linear in the size of the file, however many tensors it
// has.
TensorFile load_tensors(const std::string& path);
// The same from memory; `name` stands for the path in messages.
TensorFile parse_tensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace voxgrad

// Files in the format safetensors, which hold named tensors and metadata in text:
//
//   8 bytes   length of the header, little-endian
//   header    JSON {"__metadata__": {..}, "encoder.0.conv1.weight": {"dtype": "F32", "shape": [32, 1, 3, 3],
//             "data_offsets": [0, 1152]}, ..}, padded with spaces to a multiple of 8
//   payload   the elements without gaps, sorted by the size of their type and then by name, so that all are aligned
//
// The types are F32, F64, BF16, I32 and U8. I64, which other frameworks use for counters, is read as i32 if the values
// fit. Three metadata keys are reserved; a caller neither gives them nor gets them back. "crc32" is the checksum of the
// payload, and "header_crc32" that of the header with this value set to zeros, each as 8 lower-case hexadecimal digits.
// "voxgrad_format" says that both must be present. So every flipped bit is found, also in names. Files of other
// programs, which have none of these keys, are read as well.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad {

struct TensorFile {
  std::vector<NamedTensor> tensors;  // after reading they are on the CPU and sorted by name
  std::map<std::string, std::string> metadata;
};

// Writes the file atomically (engine/io/atomic_file.h). Error(io) with the reason of the system; the previous file is
// then unchanged. Error(argument) for a name that is given twice, is "__metadata__" or is not UTF-8, and for an
// undefined tensor.
void save_tensors(const std::string& path, const TensorFile& file);

// Error(io) if the file cannot be read. Error(model) for duplicates, holes, overlaps, a header above 16 MiB, sizes that
// overflow, offsets beyond the file, trailing bytes, and a wrong crc32 (files without one are accepted). All sizes are
// checked before memory is allocated for a tensor. The time is linear in the size of the file, for any number of
// tensors.
TensorFile load_tensors(const std::string& path);
// Reads the contents of such a file from memory; messages use `name` in place of the path.
TensorFile parse_tensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace voxgrad

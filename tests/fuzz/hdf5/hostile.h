// Datasets in which some pieces are not what they should be, made by the HDF5 library itself.
#pragma once

#include <cstdint>
#include <string>

namespace voxgrad::test {

// Writes file number `number`. The same number gives the same file. About a fifth are good datasets.
void write_hostile(const std::string& path, std::uint64_t number);

}  // namespace voxgrad::test

// Writes a dataset of format 1, the same bytes for the same contents.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

// Cases of one shape and one spacing are stored as one array, others as /cases/<id>/.
struct DatasetContents {
  std::vector<std::string> class_names;
  std::map<std::string, std::string> attributes;
  std::vector<Case> cases;
  std::map<std::string, std::vector<std::int64_t>> splits;
  int ignore_label = -1;           // -1: the file names none
  DType image_dtype = DType::f32;  // f32, or u8 if every value is a whole number in 0..255
};

// Writes under a temporary name and then renames. Throws Error(data) for values that do not fit or for splits that
// overlap, and Error(io) if the file cannot be written. After an error there is no file, or the one from before.
void write_dataset(const std::string& path, const DatasetContents& contents);

}  // namespace voxgrad::data

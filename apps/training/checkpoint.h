// What the program keeps in a checkpoint beside the model itself (nn/inference/model.h), and where checkpoints lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "data/dataset.h"
#include "engine/io/safetensors.h"

namespace voxgrad::apps {

// After a kill, the epochs since the last checkpoint come again. Epochs may be short, and each checkpoint is as large
// as four copies of the weights, so one is left out if the one before it is not as old as this, unless a model becomes
// the best one with it.
inline constexpr double kSecondsBetweenCheckpoints = 10;

// Checksums of all images and all labels (with their probabilities) of a dataset, by which a resumed run knows its
// data. They are those of the file if it has them. Else every case is read, and they are of the values as they were
// read.
struct DatasetChecksums {
  std::uint32_t images = 0, labels = 0;
};
DatasetChecksums checksums_of(const data::Dataset& dataset);
std::string text_of(const DatasetChecksums& sums);
// A checksum of what else decides a training: names of classes and cases, groups, spacings, and these splits.
std::uint32_t checksum_of_description(const data::DatasetInfo& info,
                                      const std::vector<std::vector<std::int64_t>>& splits);

// Returns the checkpoint that describes a run: in its directory best.safetensors, else last.safetensors; a file is
// returned as it is. Throws Error(io) if there is none.
std::string checkpoint_file(const std::string& path);
// Returns the same file, for its weights. Throws Error(data) if they are those from before the first step.
std::string model_file(const std::string& path);

// Returns the metadata `key` of a checkpoint as JSON. Throws Error(model) that names `path` if it is absent or broken.
Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path);
// Returns the tensors of `file` whose names begin with `prefix`, and takes it off their names.
std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix);

}  // namespace voxgrad::apps

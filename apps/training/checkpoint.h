// What the program keeps in a checkpoint beside the model itself (nn/inference/model.h), and where checkpoints lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "engine/io/safetensors.h"

namespace voxgrad::apps {

// Returns the file to load: in a run directory best.safetensors, else last.safetensors; a checkpoint file is returned
// as it is. Throws Error(io) if there is none.
std::string model_file(const std::string& path);

// Returns the metadata `key` of a checkpoint as JSON. Throws Error(model) that names `path` if it is absent or broken.
Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path);
// Returns the whole number `key` of an object. Throws Error(model) that names it unless it lies in `low` .. `high`.
std::int64_t whole_number(const Json& object, const std::string& key, std::int64_t low, std::int64_t high);
// Returns the tensors of `file` whose names begin with `prefix`, and takes it off their names.
std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix);

}  // namespace voxgrad::apps

// What the program keeps in a checkpoint beside the model itself (nn/inference/model.h), and where checkpoints lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "engine/io/safetensors.h"

namespace voxgrad::apps {

// The file to load for a run directory (best.safetensors, else last) or a checkpoint file. Error(io).
std::string model_file(const std::string& path);

// The metadata `key` of a checkpoint as JSON. Error(model) if it is absent or broken; `path` for the message.
Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path);
// The whole number `key` of an object. Error(model) that names it unless it is `low` .. `high`.
std::int64_t whole_number(const Json& object, const std::string& key, std::int64_t low, std::int64_t high);
// The tensors of `file` whose names begin with `prefix`, without it.
std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix);

}  // namespace voxgrad::apps

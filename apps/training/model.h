// A trained network with everything that is needed to use it: how its inputs are made and what its outputs mean.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "engine/io/safetensors.h"
#include "data/sampling/loader.h"
#include "nn/unet.h"

namespace voxgrad::apps {

struct ModelSpec {
  nn::UNetConfig net;
  data::Normalisation normalisation;
  std::vector<std::int64_t> patch;  // the window of training and inference
  std::vector<std::string> class_names;
};

Json to_json(const ModelSpec& spec);
// Error(model) for what is absent or of another type.
ModelSpec spec_from_json(const Json& json);

struct Model {
  ModelSpec spec;
  std::unique_ptr<nn::UNet> net;
  std::string path;  // of the file
};

// From a run directory (best.safetensors, else last) or a checkpoint file. Error(io), Error(model).
Model load_model(const std::string& path, Device device);

// The metadata `key` of a checkpoint as JSON. Error(model) if it is absent or broken; `path` for the message.
Json metadata_json(const TensorFile& file, const std::string& key, const std::string& path);
// The tensors of `file` whose names begin with `prefix`, without it.
std::vector<NamedTensor> with_prefix(const TensorFile& file, const std::string& prefix);
// The tensors that belong to the network itself: all but optim.* and ema.*.
std::vector<NamedTensor> network_tensors(const TensorFile& file);

}  // namespace voxgrad::apps

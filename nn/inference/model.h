// A trained network with everything that is needed to use it: how its inputs are made and what its outputs mean.
//
//   const nn::Model model = nn::load_model("best.safetensors");
//   const Tensor labels = nn::predict(model, image);             // nn/inference/windows.h
//
// On disk it is one safetensors file (engine/io/safetensors.h): the tensors of UNet::state(), and the ModelSpec as JSON
// under the metadata key "model". A checkpoint of a training is such a file too; its optim.* and ema.* are left alone.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "nn/inference/normalisation.h"
#include "nn/unet.h"

namespace voxgrad::nn {

struct ModelSpec {
  UNetConfig net;
  Normalisation normalisation;
  std::vector<std::int64_t> window;      // extents of the patches it was trained on; "patch" in the file
  std::vector<std::string> class_names;  // one per channel of the output
};

struct Model {
  ModelSpec spec;
  std::unique_ptr<UNet> net;
  std::string path;  // of the file; the given name if it came from memory
};

// The text that belongs under the metadata key "model", and what it says. Error(model), naming the key and what it may
// be, for what is absent, of another type, or outside its range. A file that does not say which activation, upsampling
// and initial weights its network has is older than these keys, and gets the defaults of UNetConfig.
std::string to_text(const ModelSpec& spec);
ModelSpec parse_spec(const std::string& text);

// A network that is ready to be used: in evaluation mode, on `device`, without memory for gradients on the CPU.
// Error(io) if the file cannot be read. Error(model) with the name of the file if it is damaged, has no "model", does
// not have the tensors that its configuration describes, or has a weight that is NaN or infinite.
Model load_model(const std::string& path, Device device = Device::cpu);
// The same from memory; `name` stands for the path in messages.
Model parse_model(std::span<const std::byte> bytes, const std::string& name, Device device = Device::cpu);
// Writes what load_model() reads.
void save_model(const std::string& path, const Model& model);

// The tensors that belong to the network itself: all but optim.* and ema.*.
std::vector<NamedTensor> network_tensors(const TensorFile& file);

}  // namespace voxgrad::nn

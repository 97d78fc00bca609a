// A trained network, together with what is needed to use it: how its inputs are prepared and what its outputs mean.
//
//   const nn::Model model = nn::load_model("best.safetensors");
//   const Tensor labels = nn::predict(model, image);             // nn/inference/windows.h
//
// Its file is in the format safetensors (engine/io/safetensors.h). It has the tensors of UNet::state(), and the
// ModelSpec as JSON under the metadata key "model". A checkpoint of a training is such a file too; its optim.* and
// ema.* are ignored here.
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

// What the images and masks of the training looked like. Whoever uses the model compares new images with it, and writes
// masks with the values that those had. A field may be empty, which means that it is unknown.
struct TrainingImages {
  std::vector<double> least_spacing = {},
                      most_spacing = {};        // over the training cases, for each axis in the order of the window
  std::string spacing_unit = {};                // "mm", or "px" if the images had no physical size
  std::string orientation = {};                 // "RAS" if the volumes were turned to it (data/space.h)
  std::vector<double> low = {}, high = {};      // 0.5th and 99.5th percentile of the values of each channel
  std::vector<std::int64_t> class_values = {};  // what a mask file has for each class, 0 .. 65535
  std::vector<std::string> class_colours = {};  // of a colour mask, "#rrggbb" for each class
};

// What is done to an image beside the normalisation (nn/inference/preparation.h). Both steps are undone in the result,
// so that labels and probabilities lie on the voxels of the image that was given.
struct Preparation {
  bool crop = false;                 // to the box of the voxels that are not 0 in every channel; the rest is background
  std::vector<double> spacing = {};  // that every image is resampled to, for each axis; empty: voxels stay as they are
};

// What is removed from the labels afterwards: all but the largest connected component. It is decided on the validation
// cases (apps/training).
struct CleanUp {
  bool foreground = false;                 // of all foreground classes together; this is done first
  std::vector<std::int64_t> classes = {};  // 1 for each class of which only the largest component stays, else 0
  bool operator==(const CleanUp&) const = default;
};

struct ModelSpec {
  UNetConfig net;
  Preparation preparation;
  Normalisation normalisation;
  Shape window;                          // the patch that the network was trained on; "patch" in the file
  std::vector<std::string> class_names;  // one per output channel, of which there are two or more
  TrainingImages training;
  std::vector<std::int64_t> mirror_axes;  // 1 for each axis along which the training mirrored, else 0; may be empty
  bool mirror = false;  // whether predictions average over mirrored images, unless PredictOptions says otherwise
  CleanUp clean_up;
};

struct Model {
  ModelSpec spec;
  std::unique_ptr<UNet> net;
  std::string path;  // the path of the file, or the given name if it came from memory
};

// Writes and reads the text of the metadata key "model". Error(model) names a key that is missing, has another type or
// is outside its range, and says what it may be. A file without the keys for activation, upsampling and initial weights
// or without "training", "preparation", "mirror_axes", "mirror", "clean_up" or the range of a normalisation is older
// than they are, and gets the defaults.
std::string to_text(const ModelSpec& spec);
ModelSpec parse_spec(const std::string& text);

// Loads a model, with its network in evaluation mode and on `device`. On the CPU no memory for gradients is allocated.
// Error(io) if the file cannot be read. Error(model) with the name of the file if it is damaged, has no "model", does
// not have the tensors that its configuration describes, or has a weight that is NaN or infinite.
Model load_model(const std::string& path, Device device = Device::cpu);
// Loads a model from the contents of its file in memory; messages use `name` in place of the path.
Model parse_model(std::span<const std::byte> bytes, const std::string& name, Device device = Device::cpu);
// Writes a file for load_model().
void save_model(const std::string& path, const Model& model);

// Error(model) if the tensors have fewer weights than the convolutions of the network, before memory is allocated for
// it. With `encoder_only` other layers may be absent.
void require_weights(const UNetConfig& net, const std::vector<NamedTensor>& tensors, bool encoder_only);

// The tensors that belong to the network itself: all but optim.* and ema.*.
std::vector<NamedTensor> network_tensors(const TensorFile& file);

}  // namespace voxgrad::nn

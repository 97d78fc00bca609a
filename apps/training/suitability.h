// Whether a model suits an image. A network says nothing when it is given images of another kind than those that it
// learned from, and its masks are bad then; so both are compared, and what differs is said with both sides.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {

// Beyond the range of spacings of a training by this factor, objects look different.
inline constexpr double kOtherSpacing = 1.5;

// Describes the images of a training. `label_map` is the one that the labels were read with. Intensities are taken from
// at most 16 of the cases, or left out, because reading large volumes takes seconds.
nn::TrainingImages describe_images(const data::Dataset& dataset, const std::vector<std::int64_t>& cases,
                                   const std::map<int, int>& label_map, bool intensities = true);

// Throws Error(data) that shows both files with their lists unless the dataset's classes are those of the model, in the
// same order.
void require_same_classes(const nn::Model& model, const data::DatasetInfo& info);

// Throws Error(usage) if the training of a model mirrored along no axis, or the model does not say along which, so that
// there is nothing for nn::PredictOptions::mirror to average.
void require_mirror_axes(const nn::Model& model);

// Returns an image [*S, C] with as many channels as the model takes. A grey picture is repeated for a model that takes
// red, green and blue; of equal channels one is taken for a model that takes one. Throws Error(data), which begins with
// `where`, for other numbers of channels and of spatial axes.
Tensor fit_channels(const Tensor& image, const nn::ModelSpec& model, const std::string& where);

// Warns about images that differ from those of the training in channels, spacing, orientation or, if the model does not
// normalise each image by itself, intensities. Each kind of difference is said once, with the first case in which it
// was seen.
class Suitability {
 public:
  Suitability(const nn::ModelSpec& model, std::function<void(const std::string&)> warn);
  void look_at(const data::Case& one, bool physical);
  // Says in how many cases each difference was seen, if there were several.
  void finish();

 private:
  void warn(const std::string& kind, const data::Case& one, const std::string& words);
  void compare_channels(const data::Case& one);
  void compare_spacing(const data::Case& one);
  void compare_orientation(const data::Case& one);
  void compare_intensities(const data::Case& one);

  const nn::ModelSpec& model_;
  std::function<void(const std::string&)> warn_;
  std::map<std::string, std::int64_t> seen_;  // in how many cases
};

}  // namespace voxgrad::apps

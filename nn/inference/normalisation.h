// Intensities to network inputs. The model owns this: what was done to the images in training is done to those that it
// segments, by the same function.
#pragma once

#include <string>
#include <vector>

#include "engine/moments.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

struct Normalisation {
  // zscore_case: by the mean and deviation of each image; zscore_dataset: by those of the training cases, where
  // intensities mean the same everywhere (computed tomography); none: the values as they are.
  enum class Kind { zscore_case, zscore_dataset, none } kind = Kind::zscore_case;
  std::vector<double> mean, deviation;  // per channel, for zscore_dataset

  // zscore_dataset with the statistics of all training cases. A channel of one value is only shifted: deviation 1.
  static Normalisation of_dataset(const std::vector<Moments>& channels);
  // In place, on the host, f32 [*S, C]: (x - mean) / deviation, per channel; a channel of one value becomes 0.
  void apply(const Tensor& image) const;
  // Error(model) unless apply() can work on images of so many channels: means finite, deviations finite and positive.
  void require_valid(std::int64_t channels) const;
};

const std::vector<std::string>& normalisation_names();  // in the order of Kind: "case", "dataset", "none"

}  // namespace voxgrad::nn

// The normalisation of intensities. It belongs to the model, so that the images of the training and those that the
// model segments later are prepared by the same function.
#pragma once

#include <string>
#include <vector>

#include "engine/moments.h"
#include "engine/tensor.h"

namespace voxgrad::nn {

struct Normalisation {
  // zscore_case uses the mean and deviation of each image. zscore_dataset uses those of the training cases, which suits
  // intensities that mean the same in every image (computed tomography). With `none`, images are not changed.
  // zscore_mask uses the mean and deviation of those voxels of each image that are not 0 in every channel; the others
  // become 0. It suits images whose background was cut away. `rgb` divides by 255.
  enum class Kind { zscore_case, zscore_dataset, none, zscore_mask, rgb } kind = Kind::zscore_case;
  std::vector<double> mean, deviation;      // per channel, for zscore_dataset
  std::vector<double> low = {}, high = {};  // zscore_dataset clips to this range first; empty: it does not clip

  // Whether the statistics are those of each image, so that only differences within an image count.
  bool of_each_image() const { return kind == Kind::zscore_case || kind == Kind::zscore_mask; }
  // zscore_dataset with the statistics of the training cases. A channel with a single value gets the deviation 1.
  static Normalisation of_dataset(const std::vector<Moments>& channels);
  // Replaces each channel of the image, f32 [*S, C] on the host, by (x - mean) / deviation. A channel with a single
  // value becomes 0.
  void apply(const Tensor& image) const;
  // The factor of (x - mean). It is 1 if the deviation is at most kConstant times the mean, and so a rounding error.
  // There is no absolute limit, because the unit of the intensities is not known: a diffusion coefficient in m^2/s is
  // around 1e-9.
  static double scale_of(double mean, double deviation);
  static constexpr double kConstant = 1e-7;
  // Throws Error(model) unless apply() can be used for this number of channels: the means must be finite, the
  // deviations finite and positive, and each range not empty.
  void require_valid(std::int64_t channels) const;
};

const std::vector<std::string>& normalisation_names();  // of Kind, in its order: case, dataset, none, mask, rgb

}  // namespace voxgrad::nn

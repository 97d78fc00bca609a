// Random changes of a training sample that keep its meaning. Changes of geometry move whole voxels of image and label
// together, so labels stay exact. Changes of intensity touch the image alone.
#pragma once

#include <string>
#include <vector>

#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Every change has a probability, which is 0 by default, and an amount. "SD" is the standard deviation of the sample's
// channel; amounts in this unit mean the same under any normalisation.
struct AugmentOptions {
  double flip = 0;            // probability of a flip, for each spatial axis
  double rotate = 0;          // of a turn by 90, 180 or 270 degrees in a plane with equal extents and equal spacings
  double blur = 0;            // of a Gaussian blur, equally wide in millimetres along every axis
  double blur_sigma = 1;      // its largest standard deviation, in voxels of the finest axis
  double gain = 0;            // of another contrast: the distance to the channel's mean is multiplied by a factor
  double gain_range = 1.3;    // the factor lies between 1 / range and range
  double bias = 0;            // of another brightness: a constant is added to the channel
  double bias_range = 0.3;    // the constant lies between -range and range, in SD
  double gamma = 0;           // of x^g, with x from 0 to 1 between the smallest and the largest value of the channel
  double gamma_range = 1.4;   // the exponent lies between 1 / range and range
  double noise = 0;           // of Gaussian noise, independent for every value
  double noise_sigma = 0.15;  // its largest standard deviation, in SD
};

// Returns the options of "none", "geometry" (flips and turns) or "default" (all changes). Throws Error(usage) for
// another name.
AugmentOptions augment_options(const std::string& name);

// Changes a sample in place: image f32 [*S, C], label u8 [*S] and maps f32 [*S, K], which move with the label.
// `spacing` has one value per spatial axis. Every kind of change draws from its own fork of `random`, so switching one
// off leaves the others as they were.
void augment(const Tensor& image, const Tensor& label, const std::vector<double>& spacing,
             const AugmentOptions& options, const Random& random, const std::vector<Tensor>& maps = {});

}  // namespace voxgrad::data

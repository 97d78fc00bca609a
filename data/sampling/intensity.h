// Changes of intensity of a training sample (data/sampling/augment.h). Internal to this folder.
#pragma once

#include "data/sampling/augment.h"

namespace voxgrad::data {

// Changes image f32 [*S, C] in place.
void change_intensity(const Tensor& image, const std::vector<double>& spacing, const AugmentOptions& options,
                      const Random& random);

// Draws a factor between 1 / range and range, whose logarithm is uniform.
double log_uniform(Random& random, double range);

}  // namespace voxgrad::data

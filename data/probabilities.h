// Probabilities of labels: how likely each class is at each voxel, for instance the mean of several annotators. They
// add up to 1 at a voxel, or are all 0 there, and then the voxel counts for nothing. Internal to this folder and to
// those who prepare cases.
#pragma once

#include <cstdint>
#include <span>

#include "data/labels.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Throws Error(data) that names the case unless these values, `classes` of them for each voxel, are finite, not
// negative, and add up to 1 or to 0 at every voxel, both up to 1e-3.
void require_probabilities(std::span<const float> values, std::int64_t classes, const CaseName& name);

// Makes the values of every voxel of p f32 [*S, K] add up to 1, in place. After an interpolation between known and
// ignored voxels the sum is smaller than 1: below 1/2 the voxel is ignored, and its values become 0.
void normalise_probabilities(const Tensor& p);

}  // namespace voxgrad::data

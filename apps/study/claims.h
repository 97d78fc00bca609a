// What the files of the claims share, and their functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/study/study.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

Claim ambiguity(), dice_jaccard(), mismatch(), region_size(), surrogates(), temperature(), tversky(), weighting();

// The value of a loss, as `voxgrad losses` names it; logits f64 [N, *S, C], labels u8 [N, *S].
double loss_value(const std::string& loss, const Tensor& logits, const Tensor& labels);

// Logits [1, voxels, 1] with these probabilities of the object, each above 0 and below 1.
Tensor logits_of(const std::vector<double>& probabilities);
// Labels [1, voxels].
Tensor labels_of(const std::vector<std::uint8_t>& labels);
// Probabilities between 0.02 and 0.98, and labels of which one at least is 1.
std::vector<double> random_probabilities(std::int64_t voxels, Random& random);
std::vector<std::uint8_t> random_labels(std::int64_t voxels, Random& random);

}  // namespace voxgrad::apps

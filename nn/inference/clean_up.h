// Removes small islands from the labels of an image: of all foreground, or of single classes, only the largest
// connected component stays, and the rest becomes background. It helps where an organ is one piece, and it does harm
// where there are many objects; so it is decided by the validation cases of a training.
//
// Voxels are neighbours if they share a face, an edge or a corner (8 neighbours in 2-D, 26 in 3-D), as in nnU-Net. With
// faces alone, thin oblique structures would fall apart.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"
#include "nn/inference/model.h"

namespace voxgrad::nn {

// Changes labels u8 [*S] with 1 to 3 axes, on the host, in place. `chosen` has 1 for each class that belongs to the
// mask; labels beyond it do not belong to it. All components of the mask but the largest one become 0; of several with
// the same size the one that comes first stays. Time and memory are proportional to the voxels.
void keep_largest_component(const Tensor& labels, const std::vector<std::int64_t>& chosen);

// Does what a model says, in place: first all foreground together, then class by class. `classes` counts the
// background.
void clean_up(const Tensor& labels, const CleanUp& how, std::int64_t classes);

}  // namespace voxgrad::nn

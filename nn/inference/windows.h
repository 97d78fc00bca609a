// Segmenting a case of any size: a window slides over it, overlapping by half; the logits of overlapping windows are
// averaged with Gaussian weights (sigma = an eighth of the window), because predictions near the border of a window
// see less context (Isensee et al., "nnU-Net", Nature Methods 2021). Training validates with the same code.
#pragma once

#include <functional>
#include <vector>

#include "engine/tensor.h"
#include "nn/inference/model.h"

namespace voxgrad::nn {

// Takes the probabilities [rows, *S', C] of the rows `row` .. row + rows - 1 of the first spatial axis.
using SlabSink = std::function<void(std::int64_t row, const Tensor& probabilities)>;

// Image f32 [*S, C], normalised, on the host; the network in evaluation mode. Slabs come in order and cover every row
// once. Memory beside the image: a few windows, and for the sums as many rows as a window has. An image smaller than
// the window is padded with zeros on all sides.
void sliding_window(UNet& net, const Tensor& image, const std::vector<std::int64_t>& window, const SlabSink& sink);

// The labels u8 [*S] of an image [*S, C] of any element type, with the intensities as they are in its file: the model
// normalises a copy. `also` gets the probabilities. Both are on the host. Several threads may use one model at once:
// nothing is written to it. Error(data) for an image of other axes or channels than the model takes.
Tensor predict(const Model& model, const Tensor& image, const SlabSink& also = {});
// The same, with the probabilities f32 [*S, C].
struct Prediction {
  Tensor labels, probabilities;
};
Prediction predict_probabilities(const Model& model, const Tensor& image);

// The window that predict() takes for an image of these extents: along each axis that of the training or, where the
// image is smaller, its extent rounded up to what the network divides, to four voxels of the coarsest level at least.
// So a small image is neither slow nor seen through statistics of mostly zeros.
std::vector<std::int64_t> window_for(const Model& model, const Shape& image);

// First positions of windows along an axis: evenly spread, overlapping by at least half, the last one at the end.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window);

}  // namespace voxgrad::nn

// Segmenting a case of any size: a window slides over it, overlapping by half; the logits of overlapping windows are
// averaged with Gaussian weights (sigma = an eighth of the window), because predictions near the border of a window
// see less context (Isensee et al., "nnU-Net", Nature Methods 2021). Training validates with the same code.
#pragma once

#include <functional>
#include <vector>

#include "apps/training/model.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// Takes the probabilities [rows, *S', C] of the rows `row` .. row + rows - 1 of the first spatial axis.
using SlabSink = std::function<void(std::int64_t row, const Tensor& probabilities)>;

// image f32 [*S, C], normalised, on the host. Slabs come in order and cover every row once. Memory beside the image: a
// few windows, and for the sums as many rows as a window has. Cases smaller than the window are padded with zeros.
void sliding_window(nn::UNet& net, const Tensor& image, const std::vector<std::int64_t>& window, const SlabSink& sink);

// Normalises a copy of the image and returns labels u8 [*S], on the host. `also` gets the probabilities, on the host.
Tensor predict_labels(const Model& model, const Tensor& image, const SlabSink& also = {});
// The same, with the probabilities f32 [*S, C].
struct Prediction {
  Tensor labels, probabilities;
};
Prediction predict_probabilities(const Model& model, const Tensor& image);

// First positions of windows along an axis: evenly spread, overlapping by at least half, the last one at the end.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window);

}  // namespace voxgrad::apps

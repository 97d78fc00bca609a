// Segmentation of an image of any size. A window slides over the image and overlaps its neighbours by half. The logits
// of overlapping windows are averaged with Gaussian weights (sigma is an eighth of the window), because predictions
// near the border of a window see less context (Isensee et al., "nnU-Net", Nature Methods 2021). The validation during
// training uses the same code.
#pragma once

#include <functional>
#include <vector>

#include "engine/tensor.h"
#include "nn/inference/model.h"

namespace voxgrad::nn {

// Receives the logits, or the probabilities, [rows, *S', C] of the rows `row` .. row + rows - 1 of the first spatial
// axis, which are called a slab.
using SlabSink = std::function<void(std::int64_t row, const Tensor& scores)>;

// The image is f32 [*S, C], normalised and on the host, and the network is in evaluation mode. The sink receives
// logits. The slabs come in order and cover every row once. Besides the image, the memory holds a few windows, and sums
// for as many rows as a window has. An image that is smaller than the window is padded with zeros on all sides.
// Error(argument) if the arguments do not fit.
void sliding_window(UNet& net, const Tensor& image, const Shape& window, const SlabSink& sink);

enum class Scores { probabilities, logits };

struct PredictOptions {
  Scores scores = Scores::probabilities;  // what the sink receives
  std::vector<double> spacing = {};       // of the image, for each axis; needed by a model with Preparation::spacing
  bool mirror = false;                    // averages over the image mirrored along ModelSpec::mirror_axes
};

// Returns the labels u8 [*S] of an image [*S, C] of any element type. The intensities are those of the file; the model
// prepares a copy of them (nn/inference/preparation.h). `also`, if given, receives the probabilities or the logits.
// Both results lie on the voxels of the given image, and are on the host. If the model resamples images, its
// probabilities are resampled back, the labels are the most probable classes then, and logits are logarithms of the
// probabilities. Nothing is written to the model, so several threads may use it at the same time. Throws Error(data) if
// the image has other axes or channels than the model takes, an element that is NaN or infinite, or no spacing where
// the model needs it; Error(model) if the output of the network is not finite, because argmax would make it the
// background.
Tensor predict(const Model& model, const Tensor& image, const PredictOptions& options = {}, const SlabSink& also = {});
// The same without a copy: the image, f32 on the host, is normalised afterwards, unless it was cropped.
Tensor predict_in_place(const Model& model, const Tensor& image, const PredictOptions& options = {},
                        const SlabSink& also = {});
// The labels together with the probabilities, f32 [*S, C].
struct Prediction {
  Tensor labels, probabilities;
};
Prediction predict_probabilities(const Model& model, const Tensor& image, const PredictOptions& options = {});

// The window that predict() uses for an image [*S, C] that is prepared. Along each axis it is that of the training or,
// if the image is smaller, the extent of the image, rounded up to a multiple of UNet::divisor() and to at least four
// voxels of the coarsest level. So a small image takes little time, and its statistics are not those of padding.
Shape window_for(const Model& model, const Shape& image);

// Returns the first positions of the windows along an axis. They are evenly spread and overlap by at least half, and
// the last window ends at the end of the axis.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window);

}  // namespace voxgrad::nn

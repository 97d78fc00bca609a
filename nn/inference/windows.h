// Segmentation of an image of any size. A window slides over the image and overlaps its neighbours by half. The logits
// of overlapping windows are averaged with Gaussian weights (sigma is an eighth of the window), because predictions
// near the border of a window see less context (Isensee et al., "nnU-Net", Nature Methods 2021). The validation during
// training uses the same code.
//
// With mirroring, the network sees every window once for each subset of the mirror axes, so 2^axes times. The mean is
// that of the probabilities, because one view with very large logits would outweigh all others in a mean of logits. It
// is taken within each window, so the memory does not grow with the image.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/tensor.h"
#include "nn/inference/model.h"

namespace voxgrad::nn {

// Receives the logits, or the probabilities, [rows, *S', C] of the rows `row` .. row + rows - 1 of the first spatial
// axis, which are called a slab.
using SlabSink = std::function<void(std::int64_t row, const Tensor& scores)>;

// Is called after each window with the share of them that is done, 0 < share <= 1.
using Progress = std::function<void(double share)>;

// The image is f32 [*S, C], normalised and on the host, and the network is in evaluation mode. The sink receives
// logits. The slabs come in order and cover every row once. Besides the image, the memory holds a few windows, and sums
// for as many rows as a window has. An image that is smaller than the window is padded with zeros on all sides.
// `mirror_axes` is as in ModelSpec; with it, the logits of a window are the logarithm of the mean probabilities.
// Error(argument) if the arguments do not fit.
void sliding_window(UNet& net, const Tensor& image, const Shape& window, const SlabSink& sink,
                    const Progress& progress = {}, const std::vector<std::int64_t>& mirror_axes = {});

enum class Scores { probabilities, logits };

struct PredictOptions {
  Scores scores = Scores::probabilities;  // what the sink receives
  std::vector<double> spacing = {};       // of the image, for each axis; needed by a model with Preparation::spacing
  // Whether the result is the average over the image mirrored along ModelSpec::mirror_axes; without any axis it changes
  // nothing. Without a value it is as ModelSpec::mirror says.
  std::optional<bool> mirror = {};
  bool clean_up = true;    // whether the labels are cleaned up as ModelSpec::clean_up says; scores never are
  Progress progress = {};  // what it throws ends the prediction
};

// Returns the labels u8 [*S] of an image [*S, C] of any element type. The intensities are those of the file; the model
// prepares a copy of them (nn/inference/preparation.h). `also`, if given, receives the probabilities or the logits.
// Both results lie on the voxels of the given image, and are on the host. If the model resamples images, its
// probabilities are resampled back, the labels are the most probable classes then, and logits are logarithms of the
// probabilities. A voxel of an island that was removed is background, with a low probability of it, because scores are
// not cleaned up. Nothing is written to the model, so on the CPU several threads may use it at once. Throws Error(data)
// if the image has other axes or channels than the model takes, an element that is NaN or infinite, or no spacing where
// the model needs it; Error(model) if the output of the network is not finite, because argmax would make it the
// background.
Tensor predict(const Model& model, const Tensor& image, const PredictOptions& options = {}, const SlabSink& also = {});
// The same without a copy: the image, f32 on the host, is normalised afterwards, unless it was cropped.
Tensor predict_in_place(const Model& model, const Tensor& image, const PredictOptions& options = {},
                        const SlabSink& also = {});
// The labels together with the probabilities, f32 [*S, C], which are not cleaned up.
struct Prediction {
  Tensor labels, probabilities;
};
Prediction predict_probabilities(const Model& model, const Tensor& image, const PredictOptions& options = {});

// The window that predict() uses for an image [*S, C] that is prepared. Along each axis it is that of the training or,
// if the image is smaller or larger by a quarter at most, the extent of the image, rounded up to a multiple of
// UNet::divisor() and to at least four voxels of the coarsest level. So a small image takes little time, and its
// statistics are not those of padding; one that is a little larger is not seen by two windows that are nearly the same.
Shape window_for(const Model& model, const Shape& image);
// The largest window along an axis: `extent` if that is larger than `window` by a quarter at most, else `window`.
std::int64_t largest_window(std::int64_t extent, std::int64_t window);

// Returns the first positions of the windows along an axis. They are evenly spread and overlap by at least half, and
// the last window ends at the end of the axis.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window);

}  // namespace voxgrad::nn

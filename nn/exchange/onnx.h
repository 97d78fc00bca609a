// A trained network as a file in the format ONNX, which onnxruntime, OpenVINO, TensorRT and others run.
//
// The graph has operators of opset 13, and the file has IR version 7, so that readers of 2023 take it, too. It has one
// input, "image", f32 [batch, channels, *S], and one output, "logits" or "probabilities", f32 [batch, classes, *S].
// ONNX puts the channels before the spatial axes. The batch and the spatial extents are free, but the extents must be
// multiples of UNet::divisor().
//
// The metadata of the file (metadata_props) say how images are prepared and what the outputs mean. Each value is JSON:
// "class_names", "patch", "divisor", "preparation" (the graph neither crops nor resamples), "normalisation",
// "normalised_inside" (whether the graph does it), "mirror_axes", "mirror" and "clean_up" as in ModelSpec (the graph
// does neither), and the fields of TrainingImages, such as "least_spacing".
#pragma once

#include <string>

#include "nn/inference/model.h"

namespace voxgrad::nn {

struct OnnxOptions {
  bool probabilities = false;  // the output is the softmax of the logits
  // The graph begins with the normalisation of the model, so it takes the intensities of the image file. Statistics of
  // each image are those of the whole input: give images, not windows of them. Squares of the intensities must not
  // leave the range of f32. Error(usage) for a model whose statistics are those of a part of the image, or
  // of an image before it is resampled.
  bool normalise = false;
};

// Writes the network as it is in evaluation: without dropout, and with one output even if it has deep supervision. The
// file is written atomically. Error(io) if that fails; Error(model) if there are more than 2^31 - 1 bytes, which is the
// most that a reader of such files accepts.
void save_onnx(const std::string& path, const Model& model, const OnnxOptions& options = {});

}  // namespace voxgrad::nn

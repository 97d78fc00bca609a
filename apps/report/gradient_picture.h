// Shows where a loss pushes. For one image or one slice of a volume there is a row per class with the probability, the
// truth and the gradient with respect to the logit. A negative gradient (orange) says that the loss falls when the
// logit rises.
#pragma once

#include <string>
#include <vector>

#include "apps/report/picture.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct GradientPicture {
  std::string loss;  // as text
  double value = 0;
  Tensor logits, gradient;               // f32|f64 [N, *S, C], on the host; C = 1: one sigmoid channel
  Tensor labels;                         // u8 [N, *S]
  Tensor image;                          // f32 [N, *S, K], of which the first channel is shown; undefined: none
  std::vector<std::string> class_names;  // empty: numbers
  std::int64_t sample = 0;
  std::int64_t slice = -1;  // of the first axis of a volume; -1: the middle one
};
// Throws Error(usage) if there is no such sample or slice.
Picture draw(const GradientPicture& what);

// Returns the magnitude at which the colours of a gradient end: the largest one, or, if a few voxels stick out, twice
// the 99th percentile of those that are not 0. It is 0 if all are.
double colour_end(const std::vector<double>& gradient);

}  // namespace voxgrad::apps

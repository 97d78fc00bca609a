// Pictures of what a loss does, computed by the loss itself: a true disc in an image of 64 x 64 pixels, predicted by
// another disc with a soft edge. They show where the gradient pushes if the predicted disc lies beside the true one,
// and how the value changes with the size of the prediction and with its distance.
#pragma once

#include <string>

#include "losses/core/registry.h"

namespace voxgrad::apps {

struct LossPictures {
  std::string gradient;  // PNG: dL/dz of the disc's logit, with the border of the truth
  double largest = 0;    // the magnitude at which the colours end; 0: there is no gradient
  struct Curve {
    std::string svg;
    std::string smallest;  // a sentence that says where the value is smallest
  };
  Curve over_size, over_shift;
};
LossPictures loss_pictures(const losses::Spec& spec);
// PNG: the prediction of the gradient's picture, with the border of the truth.
std::string predicted_disc();

}  // namespace voxgrad::apps

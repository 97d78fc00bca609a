// The maps inside a network, layer by layer. A training step never stores most of them, because normalisations are
// deferred and merged with convolutions. To find out where numbers overflow or a channel is dead, the forward pass is
// done again with one plain operation after the other.
#pragma once

#include <functional>
#include <string>

#include "nn/unet.h"

namespace voxgrad::apps {

struct Magnitude {
  double largest = 0;  // absolute value of a finite element
  bool finite = true;  // all elements are
};
Magnitude magnitude_of(const Tensor& map);

// Calls visit(layer, map) with the result of every layer for `images`, f32 [N, *S, C], in the order of the forward pass
// in training. A layer is called as its parameters are: "encoder.0.conv1", "encoder.0.norm1" (after the activation),
// "up.0", "heads.0" (the logits). A residual block has its result under "encoder.0". No gradient is recorded, the
// network does not change, and no channel is dropped. The values are those of a step up to rounding.
void visit_layers(const nn::UNet& net, const Tensor& images,
                  const std::function<void(const std::string& layer, const Tensor& map)>& visit);

}  // namespace voxgrad::apps

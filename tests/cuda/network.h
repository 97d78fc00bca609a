// The network that the tests of training on the card take.
#pragma once

#include "nn/unet.h"

namespace voxgrad::test {

inline nn::UNetConfig small_network(int dims, nn::Norm norm) {
  nn::UNetConfig config;
  config.dims = dims;
  config.classes = 3;
  config.base = 4;
  config.depth = 2;
  config.norm = norm;
  return config;
}

}  // namespace voxgrad::test

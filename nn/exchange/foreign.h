// Weights of networks that were trained elsewhere: the U-Nets of MONAI and of nnU-Net, as a PyTorch state_dict in a
// file in the format safetensors. They are given our names and our order, and the configuration of the network is read
// off their shapes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "nn/unet.h"

namespace voxgrad::nn {

enum class Foreign { monai_basicunet, monai_dynunet, nnunet };
const std::vector<std::string>& foreign_names();  // in the order of Foreign: "monai-basicunet", "monai-dynunet", ..

struct ForeignWeights {
  UNetConfig net;
  std::vector<NamedTensor> state;  // what has a place in such a network, for UNet::load_state()
  std::vector<std::string>
      misfits;                     // what has none, or is missing; one sentence each, with its cause where it is known
  std::vector<std::string> notes;  // what weights do not tell and was assumed, and what was left out without harm
};

// If `misfits` is empty, a UNet of the configuration with this state computes the same logits, up to rounding. It is
// only as good as `notes`. The weights are changed as follows:
// - A bias before a norm is left out or becomes part of the running mean.
// - Kernels with extents of 1 are filled with zeros up to 3 where others of their level have 3.
// - A single output, which is that of a sigmoid, gets a background beside it whose logit is 0.
// - The two halves of the input of a decoder are exchanged, where the other network concatenates them as [up, skip].
// - With `reversed_axes`, the spatial axes of kernels and strides are turned around: for a network that took its images
//   as [x, y, z] and is given [z, y, x].
// Tensors that are there under several names, as in state_dicts of MONAI and nnU-Net, are taken once.
// `slope` is that of the activation below zero, 0 for relu and 1 for none; otherwise it is the default of the other
// network.
// Error(model) if not even the first and the last layer of such a network are among the tensors.
ForeignWeights translate(const std::vector<NamedTensor>& tensors, Foreign kind, std::optional<double> slope = {},
                         bool reversed_axes = false);

}  // namespace voxgrad::nn

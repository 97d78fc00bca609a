// Convolution, normalisation and activation without storing what lies between them.
//
// A Pending is a feature map whose normalisation and activation have not been carried out: whoever reads it does that
// while loading. So a layer writes its raw convolution once, its statistics are gathered while it is written, and the
// next layer reads it; the normalised map never exists, and the backward pass keeps the raw one only. Skip connections
// are read in place: a convolution takes several maps side by side. The values and gradients are those of the same
// chain of operations in ops.h up to rounding.
#pragma once

#include <vector>

#include "engine/fused_backend.h"
#include "engine/ops.h"

namespace voxgrad {

struct Pending {
  // Holds the values before normalisation; in the graph it stands for the values after the activation.
  Tensor z;
  Tensor mean = {}, rstd = {}, gamma = {}, beta = {};  // undefined mean: z as it stands
  NormActivation activation = {};

  Pending() = default;
  Pending(Tensor x) : z(std::move(x)) {}  // NOLINT: a tensor is a map with nothing pending
  const Shape& shape() const { return z.shape(); }
  Reading reading() const { return {z.detach(), mean, rstd, gamma.detach(), beta.detach(), activation}; }
  // The values themselves.
  Tensor tensor() const;
};

// Which normalisation follows a convolution. groups: as in group_norm; 0: batch norm, with running statistics that
// are moved (training) or used.
struct PendingNorm {
  std::int64_t groups = 0;
  Tensor gamma = {}, beta = {};
  NormOptions options = {};
  Tensor running_mean = {}, running_var = {};
  bool training = true;
  double momentum = 0.1;
};

// All arguments, shapes and errors as in conv, conv_transpose and max_pool of ops.h. The inputs of a convolution lie
// side by side along the channels, all with the same extents.
Tensor conv(const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias = {},
            const ConvOptions& options = {});
// The normalisation of the convolution, pending.
Pending conv_norm(const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias,
                  const ConvOptions& options, const PendingNorm& norm);
Tensor conv_transpose(const Pending& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
Tensor max_pool(const Pending& x, const Extents& window = 2);

}  // namespace voxgrad

// Convolutions by kernels of our own: what cuDNN does not do (f64, and shapes that it refuses). The same contract as
// Backend::conv and its gradients, without the bias.
#pragma once

#include "engine/backend.h"

namespace voxgrad::cuda {

void direct_conv(const Tensor& x, const Tensor& weight, const ConvOptions& options, const Tensor& y);
void direct_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options, const Tensor& dx);
void direct_weight_gradient(const Tensor& x, const Tensor& dy, const ConvOptions& options, const Tensor& dweight);

}  // namespace voxgrad::cuda

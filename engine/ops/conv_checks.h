// Arguments and shapes of convolutions and pooling.
#pragma once

#include "engine/ops/common.h"

namespace voxgrad::detail {

struct ConvCall {
  ConvGeometry geometry;
  Shape y;
  DType type;  // of y and of the bias
};
// For an input of this shape (and dtype and device of x).
ConvCall check_conv(const Tensor& x, const Shape& shape, const Tensor& weight, const Tensor& bias,
                    const ConvOptions& options);
ConvCall check_conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options);

}  // namespace voxgrad::detail

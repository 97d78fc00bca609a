// Convolution: the plan, for one plain map; what is more goes through engine/composed.cpp. A 1x1 convolution is a
// matrix product; everything else in f32 and bf16 is cuDNN's (cudnn_conv.h), and what cuDNN does not do is done by
// kernels of our own (direct.h).
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/cudnn_conv.h"
#include "engine/cuda/direct.h"

namespace voxgrad::cuda {
namespace {

// A convolution of single voxels: y [M, Cout] = x [M, Cin] w', w [Cout, Cin].
bool is_product(const Tensor& weight, const ConvOptions& options, int spatial_dims) {
  bool plain = weight.numel() == weight.extent(0) * weight.extent(-1);
  for (int axis = 0; axis < spatial_dims; ++axis)
    plain = plain && options.stride[axis] == 1 && options.padding[axis] == 0;
  return plain;
}

Tensor rows_of(const Tensor& map) {
  const std::int64_t channels = map.extent(-1);
  return map.alias(0, {map.numel() / channels, channels});
}
Tensor matrix_of(const Tensor& weight) { return weight.alias(0, {weight.extent(0), weight.extent(-1)}); }

}  // namespace

void CudaBackend::conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                       const ConvOptions& options, const Tensor& y, double eps, const Tensor& mean,
                       const Tensor& rstd) {
  if (inputs.size() > 1 || inputs[0].deferred() || mean.defined())
    return Backend::conv(inputs, weight, bias, options, y, eps, mean, rstd);
  if (y.numel() == 0) return;
  const Tensor& x = inputs[0].x;
  if (x.numel() == 0 || weight.numel() == 0) {
    fill(y, 0);
  } else if (is_product(weight, options, x.shape().spatial_dims())) {
    matmul(rows_of(x), false, matrix_of(weight), true, rows_of(y));
  } else if (y.dtype() != x.dtype()) {
    const Tensor narrow = empty(y.shape(), x.dtype(), Device::cuda);
    conv({x}, weight, Tensor(), options, narrow);
    cast(narrow, y);
  } else if (!cudnn_conv(ConvPass::forward, x, weight, y, options)) {
    direct_conv(x, weight, options, y);
  }
  if (bias.defined()) binary(BinaryOp::add, y, bias, y);
}

void CudaBackend::conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options,
                                      const std::vector<Tensor>& parts) {
  if (parts.size() > 1) return Backend::conv_input_gradient(dy, weight, options, parts);
  const Tensor& dx = parts[0];
  if (dx.numel() == 0) return;
  if (dy.numel() == 0 || weight.numel() == 0) return fill(dx, 0);
  if (is_product(weight, options, dx.shape().spatial_dims()))
    return matmul(rows_of(dy), false, matrix_of(weight), false, rows_of(dx));
  if (!cudnn_conv(ConvPass::input_gradient, dx, weight, dy, options)) direct_input_gradient(dy, weight, options, dx);
}

void CudaBackend::conv_weight_gradient(const std::vector<FeatureMap>& inputs, const Tensor& dy,
                                       const ConvOptions& options, const Tensor& dweight) {
  if (inputs.size() > 1 || inputs[0].deferred()) return Backend::conv_weight_gradient(inputs, dy, options, dweight);
  const Tensor& x = inputs[0].x;
  if (dweight.numel() == 0) return;
  if (x.numel() == 0 || dy.numel() == 0) return fill(dweight, 0);
  if (is_product(dweight, options, x.shape().spatial_dims()))
    return matmul(rows_of(dy), true, rows_of(x), false, matrix_of(dweight));
  if (!cudnn_conv(ConvPass::weight_gradient, x, dweight, dy, options)) direct_weight_gradient(x, dy, options, dweight);
}

void CudaBackend::conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias,
                                 const ConvOptions& options, const Tensor& y) {
  Backend::conv_transpose(x, weight, bias, options, y);
}

void CudaBackend::conv_transpose_weight_gradient(const FeatureMap& x, const Tensor& dy, const ConvOptions& options,
                                                 const Tensor& dweight) {
  Backend::conv_transpose_weight_gradient(x, dy, options, dweight);
}

}  // namespace voxgrad::cuda

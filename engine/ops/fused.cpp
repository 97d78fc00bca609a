// Convolution, its transpose and pooling of maps whose normalisation is pending.
#include "engine/fused.h"

#include <algorithm>

#include "engine/ops/conv_checks.h"
#include "engine/ops/norm_graph.h"

namespace voxgrad {
namespace {

using detail::ConvCall;

std::vector<Reading> readings_of(const std::vector<Pending>& inputs) {
  std::vector<Reading> readings;
  for (const Pending& input : inputs) readings.push_back(input.reading());
  return readings;
}

Gradient bias_gradient(const Tensor& bias) {
  return [shape = bias.shape()](const Tensor& dy) {
    Tensor db = empty(shape, dy.dtype(), dy.device());
    dy.backend().bias_gradient(dy, db);
    return db;
  };
}

// The gradients of all inputs come out of one convolution; the first closure that is asked computes them.
struct InputGradients {
  Tensor weight;
  ConvGeometry geometry;
  std::vector<Shape> shapes;
  std::vector<Tensor> dx = {};

  Tensor take(std::size_t i, const Tensor& wide_dy) {
    if (dx.empty()) {
      const Tensor dy = wide_dy.to(weight.dtype());
      for (const Shape& shape : shapes) dx.push_back(empty(shape, dy.dtype(), dy.device()));
      fused_backend_of(dy.device()).conv_input_gradient(dy, weight, geometry, dx);
    }
    return std::move(dx[i]);
  }
};

std::vector<Input> conv_inputs(const std::vector<Pending>& inputs, const std::vector<Reading>& kept,
                               const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry) {
  std::vector<Input> result;
  const auto gradients = std::make_shared<InputGradients>(InputGradients{weight.detach(), geometry, {}});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    gradients->shapes.push_back(inputs[i].shape());
    result.push_back({inputs[i].z, [gradients, i](const Tensor& dy) { return gradients->take(i, dy); }});
  }
  result.push_back({weight, [kept, geometry, shape = weight.shape()](const Tensor& wide_dy) {
                      const Tensor dy = wide_dy.to(kept.front().x.dtype());
                      Tensor dw = empty(shape, dy.dtype(), dy.device());
                      fused_backend_of(dy.device()).conv_weight_gradient(kept, dy, geometry, dw);
                      return dw;
                    }});
  if (bias.defined()) result.push_back({bias, bias_gradient(bias)});
  return result;
}

ConvCall check_inputs(const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias,
                      const ConvOptions& options) {
  check(!inputs.empty(), "conv: no input");
  const Tensor& first = inputs[0].z;
  detail::check_feature_map(first, "conv");
  Shape shape = first.shape();
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    detail::check_like(first, inputs[i].z, "conv", "a further input");
    const Shape& next = inputs[i].shape();
    check(next.dims() == shape.dims() && next.with(-1, 1) == shape.with(-1, 1), "conv: inputs ", first.shape(), " and ",
          next, " cannot lie side by side along the channels");
    shape[-1] += next[-1];
  }
  return detail::check_conv(first, shape, weight, bias, options);
}

Tensor run(const ConvCall& call, const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias,
           const WantedStatistics& statistics) {
  const Tensor& first = inputs[0].z;
  Tensor y = empty(call.y, call.type, first.device());
  const FusedBackend& backend = fused_backend_of(y.device());
  const std::vector<Reading> kept = backend.kept(readings_of(inputs));
  backend.conv(kept, weight.detach(), bias.detach(), call.geometry, y, statistics);
  const bool recorded =
      recording({&weight, &bias}) ||
      std::any_of(inputs.begin(), inputs.end(), [](const Pending& input) { return recording({&input.z}); });
  return recorded ? record("conv", y, conv_inputs(inputs, kept, weight, bias, call.geometry)) : y;
}

}  // namespace

Tensor Pending::tensor() const {
  if (!mean.defined()) return z;
  return record("normalised", materialised({reading()}), {{z, [](const Tensor& dy) { return dy; }}});
}

Tensor conv(const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return run(check_inputs(inputs, weight, bias, options), inputs, weight, bias, {});
}

Pending conv_norm(const std::vector<Pending>& inputs, const Tensor& weight, const Tensor& bias,
                  const ConvOptions& options, const PendingNorm& norm) {
  const ConvCall call = check_inputs(inputs, weight, bias, options);
  const std::int64_t channels = call.y[-1], count = channels > 0 ? call.y.numel() / channels : 0;
  const bool batch = norm.groups == 0, constant = batch && !norm.training;
  check(batch || channels % norm.groups == 0, "conv_norm: ", channels, " channels do not divide into ", norm.groups,
        " groups");
  check(!batch || constant || count > 1,
        "conv_norm: batch norm in training needs more than one value per channel, got ", call.y);
  check(!batch || (norm.running_mean.defined() && norm.running_var.defined()),
        "conv_norm: batch norm needs running_mean and running_var");
  const Tensor& first = inputs[0].z;
  detail::Normalisation all{{}, {}, norm.gamma, norm.beta, {norm.options.activation, norm.options.slope}, constant};
  if (constant) {
    all.mean = reshape(norm.running_mean.detach(), {1, channels});
    all.rstd = detail::running_rstd(norm.running_var, norm.options.eps);
  } else {
    const Shape shape = batch ? Shape{1, channels} : Shape{call.y[0], norm.groups};
    all.mean = empty(shape, detail::wide_type(first.dtype()), first.device());
    all.rstd = empty_like(all.mean);
  }
  const Tensor y = run(call, inputs, weight, bias,
                       constant ? WantedStatistics{} : WantedStatistics{norm.options.eps, all.mean, all.rstd});
  detail::check_affine(y, norm.gamma, "conv_norm", "gamma");
  detail::check_affine(y, norm.beta, "conv_norm", "beta");
  if (batch && !constant)
    detail::move_running(all.mean, all.rstd, norm.options.eps, count, norm.momentum, norm.running_mean,
                         norm.running_var);
  Pending result(record("norm", y.detach(), detail::norm_inputs(y, all)));
  result.mean = all.mean;
  result.rstd = all.rstd;
  result.gamma = norm.gamma;
  result.beta = norm.beta;
  result.activation = all.activation;
  return result;
}

Tensor conv_transpose(const Pending& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  const ConvCall call = detail::check_conv_transpose(x.z, weight, bias, options);
  const ConvGeometry& g = call.geometry;
  Tensor y = empty(call.y, x.z.dtype(), x.z.device());
  const FusedBackend& backend = fused_backend_of(y.device());
  const Reading kept = backend.kept({x.reading()}).front();
  backend.conv_transpose(kept, weight.detach(), bias.detach(), g, y);
  if (!recording({&x.z, &weight, &bias})) return y;
  // The adjoint of the adjoint: dx is the convolution of dy, and dy and x change places in the weight gradient.
  std::vector<Input> inputs{{x.z,
                             [weight = weight.detach(), g, in = x.shape()](const Tensor& dy) {
                               Tensor dx = empty(in, dy.dtype(), dy.device());
                               dy.backend().conv(dy, weight, Tensor(), g, dx);
                               return dx;
                             }},
                            {weight, [kept, g, shape = weight.shape()](const Tensor& dy) {
                               Tensor dw = empty(shape, dy.dtype(), dy.device());
                               fused_backend_of(dy.device()).conv_transpose_weight_gradient(kept, dy, g, dw);
                               return dw;
                             }}};
  if (bias.defined()) inputs.push_back({bias, bias_gradient(bias)});
  return record("conv_transpose", y, std::move(inputs));
}

Tensor max_pool(const Pending& x, const Extents& window) {
  detail::check_feature_map(x.z, "max_pool");
  const int spatial = x.shape().spatial_dims();
  const Extents w = detail::per_axis(window, spatial, 1, "max_pool", "window");
  check(w[0] * w[1] * w[2] <= 255, "max_pool: windows of at most 255 voxels, got ", w[0], " x ", w[1], " x ", w[2]);
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) {
    check(shape[i + 1] >= w[i], "max_pool: window ", w[i], " is larger than axis ", i + 1, " of ", x.shape());
    shape[i + 1] /= w[i];
  }
  Tensor y = empty(shape, x.z.dtype(), x.z.device());
  Tensor index = empty(shape, DType::u8, x.z.device());
  fused_backend_of(y.device()).max_pool(x.reading(), w, y, index);
  return record("max_pool", y, {{x.z, [index, w, in = x.shape()](const Tensor& dy) {
                                   Tensor dx = empty(in, dy.dtype(), dy.device());
                                   dy.backend().max_pool_gradient(dy, index, w, dx);
                                   return dx;
                                 }}});
}

}  // namespace voxgrad

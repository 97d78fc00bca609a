// Convolution and its transpose. They read plain maps, and maps with a deferred normalisation.
#include <algorithm>

#include "engine/ops/norm_call.h"

namespace voxgrad {
namespace {

using detail::per_axis;

// A convolution whose arguments were checked: the options per axis, and the shape and type of the result.
struct ConvCall {
  ConvOptions options;
  Shape y;
  DType type;
};

ConvOptions resolved(const ConvOptions& options, int spatial, const char* op) {
  return {per_axis(options.stride, spatial, 1, op, "stride"), per_axis(options.padding, spatial, 0, op, "padding"),
          per_axis(options.dilation, spatial, 1, op, "dilation"), options.f32_output};
}

// `shape` is that of x, or of several maps that are concatenated along the channels.
void check_weight(const Tensor& x, const Shape& shape, const Tensor& weight, const Tensor& bias, int in_axis,
                  std::int64_t out, DType type, const char* op) {
  detail::check_feature_map(x, op);
  detail::check_like(x, weight, op, "weight");
  check(weight.dims() == x.dims(), op, ": weight ", weight.shape(), " needs as many axes as x ", shape);
  check(weight.numel() > 0, op, ": weight ", weight.shape(), " has no elements");
  const std::int64_t in = weight.extent(in_axis);
  if (in != shape[-1])
    throw Error(ErrorKind::argument,
                text(op, ": weight ", weight.shape(), " takes ", in, " channels, x ", shape, " has ", shape[-1]),
                channels_hint(shape, in));
  if (!bias.defined()) return;
  check(bias.dtype() == type && bias.device() == x.device(), op, ": bias is ", bias, " on ", bias.device(), ", needs ",
        type, " on ", x.device());
  check(bias.shape() == Shape({out}), op, ": bias ", bias.shape(), " for ", out, " output channels");
}

ConvCall check_conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                    const ConvOptions& options, const char* op) {
  check(!inputs.empty(), op, ": no input");
  const Tensor& x = inputs[0].x;
  detail::check_feature_map(inputs[0], op);
  Shape in = x.shape();
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    detail::check_like(x, inputs[i].x, op, "a further input");
    detail::check_feature_map(inputs[i], op);
    const Shape& next = inputs[i].shape();
    check(next.dims() == in.dims() && next.with(-1, 1) == in.with(-1, 1), op, ": inputs ", x.shape(), " and ", next,
          " differ in more than their channels");
    in[-1] += next[-1];
  }
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(0) : 0;
  const DType type = options.f32_output ? detail::parameter_type(x.dtype()) : x.dtype();
  check_weight(x, in, weight, bias, -1, out, type, op);
  const int spatial = in.spatial_dims();
  const ConvOptions o = resolved(options, spatial, op);
  Shape y = in.with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    const std::int64_t reach = o.dilation[i] * (weight.extent(i + 1) - 1) + 1, room = in[i + 1] + 2 * o.padding[i];
    check(room >= reach, op, ": kernel ", weight.shape(), " with dilation ", o.dilation[i], " spans ", reach,
          " voxels, x ", in, " with padding ", o.padding[i], " has ", room, " on axis ", i + 1);
    y[i + 1] = (room - reach) / o.stride[i] + 1;
  }
  return {o, y, type};
}

ConvCall check_conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(-1) : 0;
  check(!options.f32_output, "conv_transpose: has no f32 output of bf16 maps");
  check_weight(x, x.shape(), weight, bias, 0, out, x.dtype(), "conv_transpose");
  const int spatial = x.shape().spatial_dims();
  const ConvOptions o = resolved(options, spatial, "conv_transpose");
  Shape y = x.shape().with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    y[i + 1] = (x.extent(i + 1) - 1) * o.stride[i] - 2 * o.padding[i] + o.dilation[i] * (weight.extent(i + 1) - 1) + 1;
    check(y[i + 1] >= 1, "conv_transpose: padding ", o.padding[i], " leaves nothing on axis ", i + 1, " of ",
          x.shape());
  }
  return {o, y, x.dtype()};
}

Gradient bias_gradient(const Tensor& bias) {
  return [shape = bias.shape()](const Tensor& dy) {
    Tensor db = empty(shape, dy.dtype(), dy.device());
    dy.backend().bias_gradient(dy, db);
    return db;
  };
}

// One convolution computes the gradients of all inputs, when the first closure needs one. Each closure then moves its
// own gradient out.
struct InputGradients {
  Tensor weight;
  ConvOptions options;
  std::vector<Shape> shapes;
  std::vector<Tensor> dx = {};

  Tensor gradient_of(std::size_t i, const Tensor& f32_or_map_dy) {
    if (dx.empty()) {
      const Tensor dy = f32_or_map_dy.to(weight.dtype());
      for (const Shape& shape : shapes) dx.push_back(empty(shape, dy.dtype(), dy.device()));
      dy.backend().conv_input_gradient(dy, weight, options, dx);
    }
    return std::move(dx[i]);
  }
};

// The closures of a convolution for record(). `saved` are the maps that it read.
std::vector<Input> conv_inputs(const std::vector<FeatureMap>& inputs, const std::vector<FeatureMap>& saved,
                               const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  std::vector<Input> result;
  const auto gradients = std::make_shared<InputGradients>(InputGradients{weight.detach(), options, {}});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    gradients->shapes.push_back(inputs[i].shape());
    result.push_back({inputs[i].x, [gradients, i](const Tensor& dy) { return gradients->gradient_of(i, dy); }});
  }
  result.push_back({weight, [saved, options, shape = weight.shape()](const Tensor& f32_or_map_dy) {
                      const Tensor dy = f32_or_map_dy.to(saved.front().x.dtype());
                      Tensor dw = empty(shape, dy.dtype(), dy.device());
                      dy.backend().conv_weight_gradient(saved, dy, options, dw);
                      return dw;
                    }});
  if (bias.defined()) result.push_back({bias, bias_gradient(bias)});
  return result;
}

// If `mean` is defined, mean and rstd receive the statistics of the result.
Tensor run_conv(const ConvCall& call, const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                double eps = 0, const Tensor& mean = {}, const Tensor& rstd = {}) {
  Tensor y = empty(call.y, call.type, inputs[0].x.device());
  std::vector<FeatureMap> saved;
  bool recorded = wants_gradient({&weight, &bias});
  for (const FeatureMap& input : inputs) {
    saved.push_back(input.detach());
    recorded = recorded || wants_gradient({&input.x});
  }
  saved = y.backend().prepare(std::move(saved));
  y.backend().conv(saved, weight.detach(), bias.detach(), call.options, y, eps, mean, rstd);
  return recorded ? record("conv", y, conv_inputs(inputs, saved, weight, bias, call.options)) : y;
}

}  // namespace

Tensor conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
            const ConvOptions& options) {
  return run_conv(check_conv(inputs, weight, bias, options, "conv"), inputs, weight, bias);
}

Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv(std::vector<FeatureMap>{x}, weight, bias, options);
}

FeatureMap conv_norm(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                     const ConvOptions& options, const NormOptions& norm) {
  const ConvCall call = check_conv(inputs, weight, bias, options, "conv_norm");
  detail::NormCall after(call.y, call.type, inputs[0].x.device(), norm, "conv_norm");
  const Tensor y = after.constant ? run_conv(call, inputs, weight, bias)
                                  : run_conv(call, inputs, weight, bias, norm.eps, after.map.mean, after.map.rstd);
  after.move_running_statistics(norm);
  return after.deferred(y);
}

Tensor conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  detail::check_feature_map(x, "conv_transpose");
  const ConvCall call = check_conv_transpose(x.x, weight, bias, options);
  const ConvOptions& o = call.options;
  Tensor y = empty(call.y, call.type, x.x.device());
  const FeatureMap saved = y.backend().prepare({x.detach()}).front();
  y.backend().conv_transpose(saved, weight.detach(), bias.detach(), o, y);
  // The transpose of the transpose is the convolution: dx is the convolution of dy, and in the gradient of the weight
  // dy and x change places.
  std::vector<Input> inputs{{x.x,
                             [weight = weight.detach(), o, in = x.shape()](const Tensor& dy) {
                               Tensor dx = empty(in, dy.dtype(), dy.device());
                               dy.backend().conv({dy}, weight, Tensor(), o, dx);
                               return dx;
                             }},
                            {weight, [saved, o, shape = weight.shape()](const Tensor& dy) {
                               Tensor dw = empty(shape, dy.dtype(), dy.device());
                               dy.backend().conv_transpose_weight_gradient(saved, dy, o, dw);
                               return dw;
                             }}};
  if (bias.defined()) inputs.push_back({bias, bias_gradient(bias)});
  return record("conv_transpose", y, std::move(inputs));
}

}  // namespace voxgrad

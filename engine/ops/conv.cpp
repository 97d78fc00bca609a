// Matrix product, convolution and its transpose, pooling, upsampling.
#include "engine/ops/common.h"

namespace voxgrad {
namespace {

using detail::per_axis;

ConvGeometry geometry_of(const ConvOptions& options, int spatial, const char* op) {
  return {per_axis(options.stride, spatial, 1, op, "stride"), per_axis(options.padding, spatial, 0, op, "padding"),
          per_axis(options.dilation, spatial, 1, op, "dilation")};
}

void check_weight(const Tensor& x, const Tensor& weight, const Tensor& bias, int in_axis, std::int64_t out,
                  const char* op) {
  detail::check_feature_map(x, op);
  detail::check_like(x, weight, op, "weight");
  check(weight.dims() == x.dims(), op, ": weight ", weight.shape(), " needs as many axes as x ", x.shape());
  check(weight.extent(in_axis) == x.extent(-1), op, ": weight ", weight.shape(), " takes ", weight.extent(in_axis),
        " channels, x ", x.shape(), " has ", x.extent(-1));
  if (!bias.defined()) return;
  detail::check_like(x, bias, op, "bias");
  check(bias.shape() == Shape({out}), op, ": bias ", bias.shape(), " for ", out, " output channels");
}

Gradient bias_gradient(const Tensor& bias) {
  return [shape = bias.shape()](const Tensor& dy) {
    Tensor db = empty(shape, dy.dtype(), dy.device());
    dy.backend().bias_gradient(dy, db);
    return db;
  };
}

Tensor weight_gradient(const Tensor& x, const Tensor& dy, const ConvGeometry& geometry, const Shape& shape) {
  Tensor dw = empty(shape, x.dtype(), x.device());
  x.backend().conv_weight_gradient(x, dy, geometry, dw);
  return dw;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  detail::check_float(a, "matmul");
  detail::check_like(a, b, "matmul", "b");
  check(a.dims() == 2 && b.dims() == 2, "matmul: takes two matrices, got ", a.shape(), " and ", b.shape());
  const bool ta = options.transpose_a;
  const bool tb = options.transpose_b;
  const std::int64_t inner = a.extent(ta ? 0 : 1);
  check(inner == b.extent(tb ? 1 : 0), "matmul: ", a.shape(), ta ? " (transposed)" : "", " and ", b.shape(),
        tb ? " (transposed)" : "", " do not fit: inner extents ", inner, " and ", b.extent(tb ? 1 : 0));
  Tensor y = empty({a.extent(ta ? 1 : 0), b.extent(tb ? 0 : 1)}, a.dtype(), a.device());
  a.backend().matmul(a, ta, b, tb, y);
  if (!recording({&a, &b})) return y;
  // dA = dY B^T and dB = A^T dY, transposed where the operand is stored transposed.
  return record(
      y, {{a,
           [b = b.detach(), ta, tb](const Tensor& dy) {
             return ta ? matmul(b, dy, {.transpose_a = tb, .transpose_b = true}) : matmul(dy, b, {.transpose_b = !tb});
           }},
          {b, [a = a.detach(), ta, tb](const Tensor& dy) {
             return tb ? matmul(dy, a, {.transpose_a = true, .transpose_b = ta}) : matmul(a, dy, {.transpose_a = !ta});
           }}});
}

Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(0) : 0;
  check_weight(x, weight, bias, -1, out, "conv");
  const int spatial = x.shape().spatial_dims();
  const ConvGeometry g = geometry_of(options, spatial, "conv");
  Shape shape = x.shape().with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    const std::int64_t reach = g.dilation[i] * (weight.extent(i + 1) - 1) + 1;
    const std::int64_t room = x.extent(i + 1) + 2 * g.padding[i];
    check(room >= reach, "conv: kernel ", weight.shape(), " with dilation ", g.dilation[i], " spans ", reach,
          " voxels, x ", x.shape(), " with padding ", g.padding[i], " has ", room, " on axis ", i + 1);
    shape[i + 1] = (room - reach) / g.stride[i] + 1;
  }
  Tensor y = empty(shape, x.dtype(), x.device());
  x.backend().conv(x, weight, bias, g, y);
  if (!recording({&x, &weight, &bias})) return y;
  std::vector<Input> inputs{
      {x,
       [weight = weight.detach(), g, in = x.shape()](const Tensor& dy) {
         Tensor dx = empty(in, dy.dtype(), dy.device());
         dy.backend().conv_input_gradient(dy, weight, g, dx);
         return dx;
       }},
      {weight, [x = x.detach(), g, w = weight.shape()](const Tensor& dy) { return weight_gradient(x, dy, g, w); }}};
  if (bias.defined()) inputs.push_back({bias, bias_gradient(bias)});
  return record(y, std::move(inputs));
}

Tensor conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(-1) : 0;
  check_weight(x, weight, bias, 0, out, "conv_transpose");
  const int spatial = x.shape().spatial_dims();
  const ConvGeometry g = geometry_of(options, spatial, "conv_transpose");
  Shape shape = x.shape().with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    const std::int64_t extent =
        (x.extent(i + 1) - 1) * g.stride[i] - 2 * g.padding[i] + g.dilation[i] * (weight.extent(i + 1) - 1) + 1;
    check(extent >= 1, "conv_transpose: padding ", g.padding[i], " leaves nothing on axis ", i + 1, " of ", x.shape());
    shape[i + 1] = extent;
  }
  Tensor y = empty(shape, x.dtype(), x.device());
  x.backend().conv_input_gradient(x, weight, g, y);
  if (bias.defined()) y.backend().binary(BinaryOp::add, y, bias, y);
  if (!recording({&x, &weight, &bias})) return y;
  // The adjoint of the adjoint: dx is the convolution of dy, and dy and x change places in the weight gradient.
  std::vector<Input> inputs{
      {x,
       [weight = weight.detach(), g, in = x.shape()](const Tensor& dy) {
         Tensor dx = empty(in, dy.dtype(), dy.device());
         dy.backend().conv(dy, weight, Tensor(), g, dx);
         return dx;
       }},
      {weight, [x = x.detach(), g, w = weight.shape()](const Tensor& dy) { return weight_gradient(dy, x, g, w); }}};
  if (bias.defined()) inputs.push_back({bias, bias_gradient(bias)});
  return record(y, std::move(inputs));
}

Tensor max_pool(const Tensor& x, const Extents& window) {
  detail::check_feature_map(x, "max_pool");
  const int spatial = x.shape().spatial_dims();
  const Extents w = per_axis(window, spatial, 1, "max_pool", "window");
  check(w[0] * w[1] * w[2] <= 255, "max_pool: windows of at most 255 voxels, got ", w[0], " x ", w[1], " x ", w[2]);
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) {
    check(x.extent(i + 1) >= w[i], "max_pool: window ", w[i], " is larger than axis ", i + 1, " of ", x.shape());
    shape[i + 1] = x.extent(i + 1) / w[i];
  }
  Tensor y = empty(shape, x.dtype(), x.device());
  Tensor index = empty(shape, DType::u8, x.device());
  x.backend().max_pool(x, w, y, index);
  return record(y, {{x, [index, w, in = x.shape()](const Tensor& dy) {
                       Tensor dx = empty(in, dy.dtype(), dy.device());
                       dy.backend().max_pool_gradient(dy, index, w, dx);
                       return dx;
                     }}});
}

Tensor upsample(const Tensor& x, Upsampling kind, const Extents& scale) {
  detail::check_feature_map(x, "upsample");
  const int spatial = x.shape().spatial_dims();
  const Extents s = per_axis(scale, spatial, 1, "upsample", "scale");
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) shape[i + 1] = x.extent(i + 1) * s[i];
  Tensor y = empty(shape, x.dtype(), x.device());
  x.backend().upsample(x, kind, s, y);
  return record(y, {{x, [kind, s, in = x.shape()](const Tensor& dy) {
                       Tensor dx = empty(in, dy.dtype(), dy.device());
                       dy.backend().upsample_gradient(dy, kind, s, dx);
                       return dx;
                     }}});
}

}  // namespace voxgrad

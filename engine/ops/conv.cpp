// Matrix product, arguments of convolutions, upsampling. The convolutions and pooling are in fused.cpp: a tensor is a
// map with nothing pending.
#include "engine/fused.h"
#include "engine/ops/conv_checks.h"

namespace voxgrad {
namespace {

using detail::per_axis;

ConvGeometry geometry_of(const ConvOptions& options, int spatial, const char* op) {
  return {per_axis(options.stride, spatial, 1, op, "stride"), per_axis(options.padding, spatial, 0, op, "padding"),
          per_axis(options.dilation, spatial, 1, op, "dilation")};
}

// `shape` is that of x, or of several maps side by side.
void check_weight(const Tensor& x, const Shape& shape, const Tensor& weight, const Tensor& bias, int in_axis,
                  std::int64_t out, DType type, const char* op) {
  detail::check_feature_map(x, op);
  detail::check_like(x, weight, op, "weight");
  check(weight.dims() == x.dims(), op, ": weight ", weight.shape(), " needs as many axes as x ", shape);
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
      "matmul", y,
      {{a,
        [b = b.detach(), ta, tb](const Tensor& dy) {
          return ta ? matmul(b, dy, {.transpose_a = tb, .transpose_b = true}) : matmul(dy, b, {.transpose_b = !tb});
        }},
       {b, [a = a.detach(), ta, tb](const Tensor& dy) {
          return tb ? matmul(dy, a, {.transpose_a = true, .transpose_b = ta}) : matmul(a, dy, {.transpose_a = !ta});
        }}});
}

Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv(std::vector<Pending>{x}, weight, bias, options);
}

Tensor conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv_transpose(Pending(x), weight, bias, options);
}

Tensor max_pool(const Tensor& x, const Extents& window) { return max_pool(Pending(x), window); }

namespace detail {

ConvCall check_conv(const Tensor& x, const Shape& in, const Tensor& weight, const Tensor& bias,
                    const ConvOptions& options) {
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(0) : 0;
  check(x.defined(), "conv: an undefined tensor was given");
  const DType type = options.wide ? wide_type(x.dtype()) : x.dtype();
  check_weight(x, in, weight, bias, -1, out, type, "conv");
  const int spatial = in.spatial_dims();
  const ConvGeometry g = geometry_of(options, spatial, "conv");
  Shape shape = in.with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    const std::int64_t reach = g.dilation[i] * (weight.extent(i + 1) - 1) + 1;
    const std::int64_t room = in[i + 1] + 2 * g.padding[i];
    check(room >= reach, "conv: kernel ", weight.shape(), " with dilation ", g.dilation[i], " spans ", reach,
          " voxels, x ", in, " with padding ", g.padding[i], " has ", room, " on axis ", i + 1);
    shape[i + 1] = (room - reach) / g.stride[i] + 1;
  }
  return {g, shape, type};
}

ConvCall check_conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  const std::int64_t out = weight.defined() && weight.dims() > 0 ? weight.extent(-1) : 0;
  check(x.defined(), "conv_transpose: an undefined tensor was given");
  check(!options.wide, "conv_transpose: has no wide result");
  check_weight(x, x.shape(), weight, bias, 0, out, x.dtype(), "conv_transpose");
  const int spatial = x.shape().spatial_dims();
  const ConvGeometry g = geometry_of(options, spatial, "conv_transpose");
  Shape shape = x.shape().with(-1, out);
  for (int i = 0; i < spatial; ++i) {
    const std::int64_t extent =
        (x.extent(i + 1) - 1) * g.stride[i] - 2 * g.padding[i] + g.dilation[i] * (weight.extent(i + 1) - 1) + 1;
    check(extent >= 1, "conv_transpose: padding ", g.padding[i], " leaves nothing on axis ", i + 1, " of ", x.shape());
    shape[i + 1] = extent;
  }
  return {g, shape, x.dtype()};
}

}  // namespace detail

Tensor upsample(const Tensor& x, Upsampling kind, const Extents& scale) {
  detail::check_feature_map(x, "upsample");
  const int spatial = x.shape().spatial_dims();
  const Extents s = per_axis(scale, spatial, 1, "upsample", "scale");
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) shape[i + 1] = x.extent(i + 1) * s[i];
  Tensor y = empty(shape, x.dtype(), x.device());
  x.backend().upsample(x, kind, s, y);
  return record("upsample", y, {{x, [kind, s, in = x.shape()](const Tensor& dy) {
                                   Tensor dx = empty(in, dy.dtype(), dy.device());
                                   dy.backend().upsample_gradient(dy, kind, s, dx);
                                   return dx;
                                 }}});
}

}  // namespace voxgrad

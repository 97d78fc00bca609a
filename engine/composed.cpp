// The default bodies of Backend: they call primitives one after the other, for a device that has no kernel which does
// the whole in one pass. The tests compare the fused kernels with them.
#include <algorithm>

#include "engine/backend.h"

namespace voxgrad {

Tensor materialised(const std::vector<FeatureMap>& inputs) {
  std::int64_t channels = 0;
  for (const FeatureMap& input : inputs) channels += input.shape()[-1];
  const Tensor& first = inputs.front().x;
  if (inputs.size() == 1 && !inputs.front().deferred()) return first;
  const Tensor whole =
      inputs.size() > 1 ? empty(first.shape().with(-1, channels), first.dtype(), first.device()) : Tensor();
  Shape at = Shape::filled(first.dims(), 0);
  for (const FeatureMap& input : inputs) {
    Tensor values = input.x;
    if (input.deferred()) {
      values = empty_like(input.x);
      values.backend().norm(input, values);
    }
    if (!whole.defined()) return values;
    whole.backend().copy_box(values, Shape::filled(first.dims(), 0), whole, at, values.shape(), false);
    at[-1] += values.extent(-1);
  }
  return whole;
}

std::vector<FeatureMap> Backend::prepare(std::vector<FeatureMap> inputs) { return {materialised(inputs)}; }

// The bodies below call the primitive of the same name again, with the simplest arguments, which every device
// implements.

void Backend::conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                   const ConvOptions& options, const Tensor& y, double eps, const Tensor& mean, const Tensor& rstd) {
  conv({materialised(inputs)}, weight, bias, options, y);
  if (mean.defined()) norm_statistics(y, eps, mean, rstd);
}

void Backend::conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options,
                                  const std::vector<Tensor>& dx) {
  const Tensor whole = empty(dx[0].shape().with(-1, weight.extent(-1)), dy.dtype(), dy.device());
  conv_input_gradient(dy, weight, options, std::vector<Tensor>{whole});
  Shape at = Shape::filled(whole.dims(), 0);
  for (const Tensor& part : dx) {
    copy_box(whole, at, part, Shape::filled(whole.dims(), 0), part.shape(), false);
    at[-1] += part.extent(-1);
  }
}

void Backend::conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options,
                             const Tensor& y) {
  conv_input_gradient(materialised({x}), weight, options, {y});
  if (bias.defined()) binary(BinaryOp::add, y, bias, y);
}

#ifndef VOXGRAD_INFERENCE_ONLY
void Backend::conv_weight_gradient(const std::vector<FeatureMap>& inputs, const Tensor& dy, const ConvOptions& options,
                                   const Tensor& dweight) {
  conv_weight_gradient(std::vector<FeatureMap>{materialised(inputs)}, dy, options, dweight);
}

// For the transpose of conv, dy takes the place of the input and x that of the gradient of the result.
void Backend::conv_transpose_weight_gradient(const FeatureMap& x, const Tensor& dy, const ConvOptions& options,
                                             const Tensor& dweight) {
  conv_weight_gradient({dy}, materialised({x}), options, dweight);
}
#endif

void Backend::max_pool(const FeatureMap& x, const Extents& window, const Tensor& y, const Tensor& index) {
  max_pool(FeatureMap(materialised({x})), window, y, index);
}

namespace {

// y = what compute(CPU, x on the host, y on the host) makes.
template <class F>
void on_the_host(const Tensor& x, const Tensor& y, const F& compute) {
  const Tensor made = empty(y.shape(), y.dtype());
  compute(backend_of(Device::cpu), x.to(Device::cpu), made);
  y.backend().copy(y.raw(), y.device(), made.raw(), Device::cpu, y.bytes());
}

}  // namespace

// Both follow paths of voxels, one after the other.
void Backend::components(const Tensor& labels, const std::vector<int>& classes, int connectivity, const Tensor& y) {
  on_the_host(labels, y, [&](Backend& cpu, const Tensor& from, const Tensor& to) {
    cpu.components(from, classes, connectivity, to);
  });
}
#ifndef VOXGRAD_INFERENCE_ONLY
void Backend::skeleton(const Tensor& mask, const Tensor& y) {
  on_the_host(mask, y, [](Backend& cpu, const Tensor& from, const Tensor& to) { cpu.skeleton(from, to); });
}
#endif

void Backend::check_labels(const Tensor& labels, std::int64_t classes, int ignore) {
  const std::int64_t largest = largest_label(labels, ignore);
  if (largest >= classes) throw label_error(largest, classes);
}

namespace {

// The difference of these integrands is the log-odds of every class against the rest.
std::vector<Integral> log_odds_rows() { return {{.kind = Integrand::rest_log}, {.kind = Integrand::log_loss}}; }

// 1 - 2 t for the classes of a map like y, whose last channel is class `classes` - 1, and 0 at ignored voxels.
Tensor minus_signs(const Tensor& labels, std::int64_t classes, int ignore, const Tensor& y) {
  const std::int64_t width = y.extent(-1);
  std::vector<double> table(static_cast<std::size_t>(classes * width), 1.0);
  for (std::int64_t k = 0; k < width; ++k) nth(table, (classes - width + k) * width + k) = -1;
  if (ignore >= 0 && ignore < classes) std::fill_n(table.begin() + ignore * width, width, 0.0);
  const Tensor signs = empty_like(y);
  y.backend().lookup(from_vector({classes, width}, table).to(y.device()), labels, signs);
  return signs;
}

}  // namespace

void Backend::hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                           const Tensor& y) {
  const std::vector<Integral> rows = log_odds_rows();
  Tensor p = empty_like(logits), q = empty_like(logits);
  integrand(logits, labels, rows[0], options, p);
  integrand(logits, labels, rows[1], options, q);
  binary(BinaryOp::subtract, p, q, p);
  const Shape origin = Shape::filled(y.dims(), 0);
  const std::int64_t channels = logits.extent(-1);
  copy_box(p, origin.with(-1, channels - y.extent(-1)), y, origin, y.shape(), false);
  const Tensor signs = minus_signs(labels, std::max<std::int64_t>(channels, 2), options.ignore, y);
  binary(BinaryOp::multiply, y, signs, y);
  unary(UnaryOp::affine, 1, 1, y, y);
  unary(UnaryOp::relu, 0, 0, y, y);
}

// The field of both rows is the gradient with respect to the log-odds. If y has only one of two channels, that is the
// field of both channels, and the sums of the first one get the weight 0.
void Backend::hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                    const Tensor& y, const Tensor& dy, const Tensor& dlogits) {
  const std::int64_t samples = logits.extent(0), channels = logits.extent(-1);
  const Tensor field = empty_like(y);
  unary_gradient(UnaryOp::relu, 0, 0, y, y, dy, field);
  binary(BinaryOp::multiply, field, minus_signs(labels, std::max<std::int64_t>(channels, 2), options.ignore, y), field);
  std::vector<Integral> rows = log_odds_rows();
  for (Integral& row : rows) row.field = field;
  std::vector<double> dsums;
  for (double sign : {1.0, -1.0})
    for (std::int64_t i = 0; i < samples * channels; ++i)
      dsums.push_back(y.shape() == logits.shape() || i % channels == 1 ? sign : 0.0);
  integrate_gradient(logits, labels, rows, options, {}, from_vector({2, samples, channels}, dsums).to(logits.device()),
                     dlogits);
}

}  // namespace voxgrad

#include "engine/fused_backend.h"

#include <algorithm>

namespace voxgrad {

Tensor materialised(const std::vector<Reading>& inputs) {
  std::int64_t channels = 0;
  for (const Reading& input : inputs) channels += input.x.extent(-1);
  const Tensor& first = inputs.front().x;
  if (inputs.size() == 1 && inputs.front().plain()) return first;
  const Tensor whole =
      inputs.size() > 1 ? empty(first.shape().with(-1, channels), first.dtype(), first.device()) : Tensor();
  Shape at = Shape::filled(first.dims(), 0);
  for (const Reading& input : inputs) {
    Tensor values = input.x;
    if (!input.plain()) {
      values = empty_like(input.x);
      values.backend().norm(input.x, input.mean, input.rstd, input.gamma, input.beta, input.activation, values);
    }
    if (!whole.defined()) return values;
    whole.backend().copy_box(values, Shape::filled(first.dims(), 0), whole, at, values.shape(), false);
    at[-1] += values.extent(-1);
  }
  return whole;
}

std::vector<Reading> FusedBackend::kept(std::vector<Reading> inputs) const { return {Reading{materialised(inputs)}}; }

void FusedBackend::conv(const std::vector<Reading>& inputs, const Tensor& weight, const Tensor& bias,
                        const ConvGeometry& geometry, const Tensor& y, const WantedStatistics& statistics) const {
  y.backend().conv(materialised(inputs), weight, bias, geometry, y);
  if (statistics.mean.defined()) y.backend().norm_statistics(y, statistics.eps, statistics.mean, statistics.rstd);
}

void FusedBackend::conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                                       const std::vector<Tensor>& dx) const {
  if (dx.size() == 1) return dy.backend().conv_input_gradient(dy, weight, geometry, dx[0]);
  const Tensor whole = empty(dx[0].shape().with(-1, weight.extent(-1)), dy.dtype(), dy.device());
  dy.backend().conv_input_gradient(dy, weight, geometry, whole);
  Shape at = Shape::filled(whole.dims(), 0);
  for (const Tensor& part : dx) {
    whole.backend().copy_box(whole, at, part, Shape::filled(whole.dims(), 0), part.shape(), false);
    at[-1] += part.extent(-1);
  }
}

void FusedBackend::conv_weight_gradient(const std::vector<Reading>& inputs, const Tensor& dy,
                                        const ConvGeometry& geometry, const Tensor& dweight) const {
  dy.backend().conv_weight_gradient(materialised(inputs), dy, geometry, dweight);
}

void FusedBackend::conv_transpose(const Reading& x, const Tensor& weight, const Tensor& bias,
                                  const ConvGeometry& geometry, const Tensor& y) const {
  y.backend().conv_input_gradient(materialised({x}), weight, geometry, y);
  if (bias.defined()) y.backend().binary(BinaryOp::add, y, bias, y);
}

void FusedBackend::conv_transpose_weight_gradient(const Reading& x, const Tensor& dy, const ConvGeometry& geometry,
                                                  const Tensor& dweight) const {
  dy.backend().conv_weight_gradient(dy, materialised({x}), geometry, dweight);
}

void FusedBackend::max_pool(const Reading& x, const Extents& window, const Tensor& y, const Tensor& index) const {
  y.backend().max_pool(materialised({x}), window, y, index);
}

std::vector<Integral> FusedBackend::log_odds_rows() {
  return {{.kind = Integrand::rest_log}, {.kind = Integrand::log_loss}};
}

namespace {

// 1 - 2 t of the classes of a map like y, of which the last one is `classes` - 1; 0 at ignored voxels.
Tensor minus_signs(const Tensor& labels, std::int64_t classes, int ignore, const Tensor& y) {
  const std::int64_t width = y.extent(-1);
  std::vector<double> table(static_cast<std::size_t>(classes * width), 1.0);
  for (std::int64_t k = 0; k < width; ++k) table[static_cast<std::size_t>((classes - width + k) * width + k)] = -1;
  if (ignore >= 0 && ignore < classes) std::fill_n(table.begin() + ignore * width, width, 0.0);
  const Tensor signs = empty_like(y);
  y.backend().lookup(from_vector({classes, width}, table).to(y.device()), labels, signs);
  return signs;
}

}  // namespace

void FusedBackend::hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                const Tensor& y) const {
  Backend& backend = y.backend();
  const std::vector<Integral> rows = log_odds_rows();
  Tensor p = empty_like(logits), q = empty_like(logits);
  backend.integrand(logits, labels, rows[0], options, p);
  backend.integrand(logits, labels, rows[1], options, q);
  backend.binary(BinaryOp::subtract, p, q, p);
  const Shape origin = Shape::filled(y.dims(), 0);
  const std::int64_t channels = logits.extent(-1);
  backend.copy_box(p, origin.with(-1, channels - y.extent(-1)), y, origin, y.shape(), false);
  const Tensor signs = minus_signs(labels, std::max<std::int64_t>(channels, 2), options.ignore, y);
  backend.binary(BinaryOp::multiply, y, signs, y);
  backend.unary(UnaryOp::affine, 1, 1, y, y);
  backend.unary(UnaryOp::relu, 0, 0, y, y);
}

// Both rows have the gradient with respect to the log-odds as their field. Where y has but one of two channels, that is
// the field of both, and the first channel does not count.
void FusedBackend::hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                         const Tensor& y, const Tensor& dy, const Tensor& dlogits) const {
  Backend& backend = y.backend();
  const std::int64_t samples = logits.extent(0), channels = logits.extent(-1);
  const Tensor field = empty_like(y);
  backend.unary_gradient(UnaryOp::relu, 0, 0, y, y, dy, field);
  backend.binary(BinaryOp::multiply, field, minus_signs(labels, std::max<std::int64_t>(channels, 2), options.ignore, y),
                 field);
  std::vector<Integral> rows = log_odds_rows();
  for (Integral& row : rows) row.field = field;
  std::vector<double> dsums;
  for (double sign : {1.0, -1.0})
    for (std::int64_t i = 0; i < samples * channels; ++i)
      dsums.push_back(y.shape() == logits.shape() || i % channels == 1 ? sign : 0.0);
  backend.integrate_gradient(logits, labels, rows, options, {},
                             from_vector({2, samples, channels}, dsums).to(logits.device()), dlogits);
}

FusedBackend& fused_backend_of(Device device) {
  return device == Device::cpu ? cpu::fused_backend() : cuda::fused_backend();
}

}  // namespace voxgrad

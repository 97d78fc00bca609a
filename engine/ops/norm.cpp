// Normalisation with an activation. Batch, instance, group and layer norm are one formula over different groups.
#include "engine/ops/norm_call.h"

namespace voxgrad {
namespace detail {
namespace {

// 1 / sqrt(running_var + eps) as [1, C].
Tensor running_rstd(const Tensor& running_var, double eps) {
  const NoGrad guard;
  return reshape(reciprocal(sqrt(affine(running_var.detach(), 1, eps))), {1, running_var.numel()});
}

// The same two passes over x and dy compute all three gradients, when the first closure needs one.
struct NormGradients {
  FeatureMap map;
  bool constant;
  Tensor dx = {}, dgamma = {}, dbeta = {};

  void compute(const Tensor& dy) {
    if (!map.x.defined()) return;
    dx = dy.unique() ? dy : empty_like(map.x);  // nothing else reads dy, so dx may overwrite it
    if (map.gamma.defined()) dgamma = empty_like(map.gamma);
    if (map.beta.defined()) dbeta = empty_like(map.beta);
    dy.backend().norm_gradient(map, dy, constant, dx, dgamma, dbeta);
    map.x = Tensor();
  }
};

Gradient gradient_of(const std::shared_ptr<NormGradients>& all, Tensor NormGradients::*which) {
  return [all, which](const Tensor& dy) {
    all->compute(dy);
    return std::move((*all).*which);
  };
}

}  // namespace

void check_feature_map(const FeatureMap& map, const char* op) {
  check_feature_map(map.x, op);
  if (!map.deferred()) return;
  const Shape& x = map.shape();
  const DType type = parameter_type(map.x.dtype());
  const auto fits = [&](const Tensor& tensor, const Shape& shape) {
    return tensor.defined() && tensor.shape() == shape && tensor.dtype() == type && tensor.device() == map.x.device();
  };
  const Shape statistics = map.mean.shape();
  check(statistics.dims() == 2 && (statistics[0] == 1 || statistics[0] == x[0]) && statistics[1] >= 1 &&
            x[-1] % statistics[1] == 0 && fits(map.mean, statistics) && fits(map.rstd, statistics),
        op, ": the deferred normalisation of ", map.x, " has mean ", map.mean, " and rstd ", map.rstd, ", must be ",
        type, " [1 or ", x[0], ", groups]");
  for (const Tensor& parameter : {map.gamma, map.beta})
    check(!parameter.defined() || fits(parameter, {x[-1]}), op, ": the deferred normalisation of ", map.x,
          " has a parameter ", parameter, ", must be ", type, " [", x[-1], "]");
}

NormCall::NormCall(const Shape& x, DType type, Device device, const NormOptions& options, const char* op) {
  const std::int64_t channels = x[-1], groups = options.groups;
  const bool batch = groups == 0;
  const DType statistics = parameter_type(type);
  const auto check_parameter = [&](const Tensor& parameter, const char* what) {
    if (!parameter.defined()) return;
    check(parameter.dtype() == statistics && parameter.device() == device, op, ": ", what, " is ", parameter, " on ",
          parameter.device(), ", x is ", type, " on ", device);
    check(parameter.shape() == Shape({channels}), op, ": ", what, " ", parameter.shape(), " for ", channels,
          " channels");
  };
  check(options.eps >= 0, op, ": eps is ", options.eps, ", must not be negative");
  check(batch || (groups >= 1 && channels % groups == 0), op, ": ", channels, " channels do not divide into ", groups,
        " groups");
  check(!batch || (options.running_mean.defined() && options.running_var.defined()), op,
        ": batch norm needs running_mean and running_var");
  check_parameter(options.running_mean, "running_mean");
  check_parameter(options.running_var, "running_var");
  check_parameter(options.gamma, "gamma");
  check_parameter(options.beta, "beta");
  constant = batch && !options.training;
  count = channels > 0 ? x.numel() / channels : 0;
  check(!batch || constant || count > 1, op, ": batch norm in training needs more than one value per channel, x is ",
        x);
  if (constant) {
    map.mean = reshape(options.running_mean.clone(), {1, channels});  // a later training moves it in place
    map.rstd = running_rstd(options.running_var, options.eps);
  } else {
    map.mean = empty(batch ? Shape{1, channels} : Shape{x[0], groups}, statistics, device);
    map.rstd = empty_like(map.mean);
  }
  map.gamma = options.gamma;
  map.beta = options.beta;
  map.activation = options.activation;
  map.slope = options.slope;
}

void NormCall::move_running_statistics(const NormOptions& options) const {
  if (options.groups != 0 || constant) return;
  const NoGrad guard;
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const Tensor variance = affine(square(reciprocal(map.rstd)), unbiased, -options.eps * unbiased);
  for (const auto& [value, running] : {std::pair{map.mean, options.running_mean}, {variance, options.running_var}})
    running.backend().lerp(reshape(value, running.shape()), options.momentum, running);
}

std::vector<Input> NormCall::inputs(const Tensor& x) const {
  if (!wants_gradient({&x, &map.gamma, &map.beta})) return {};
  FeatureMap saved = map;
  saved.x = x;
  const auto all = std::make_shared<NormGradients>(NormGradients{saved.detach(), constant});
  std::vector<Input> inputs{{x, gradient_of(all, &NormGradients::dx)}};
  if (map.gamma.defined()) inputs.push_back({map.gamma, gradient_of(all, &NormGradients::dgamma)});
  if (map.beta.defined()) inputs.push_back({map.beta, gradient_of(all, &NormGradients::dbeta)});
  return inputs;
}

FeatureMap NormCall::deferred(const Tensor& x) const {
  FeatureMap result = map;
  result.x = record("conv_norm", x.detach(), inputs(x));
  return result;
}

}  // namespace detail

FeatureMap FeatureMap::detach() const {
  FeatureMap result = *this;
  result.x = x.detach();
  result.gamma = gamma.detach();
  result.beta = beta.detach();
  return result;
}

// The node of x is that of the activated values already, so the gradient passes through unchanged.
Tensor FeatureMap::tensor() const {
  if (deferred()) detail::check_feature_map(*this, "FeatureMap::tensor");
  return deferred() ? record("normalised", materialised({detach()}), {{x, [](const Tensor& dy) { return dy; }}}) : x;
}

Tensor normalise(const Tensor& x, const NormOptions& options) {
  detail::check_feature_map(x, "normalise");
  detail::NormCall norm(x.shape(), x.dtype(), x.device(), options, "normalise");
  if (!norm.constant) x.backend().norm_statistics(x, options.eps, norm.map.mean, norm.map.rstd);
  FeatureMap map = norm.map.detach();
  map.x = x.detach();
  Tensor y = empty_like(x);
  x.backend().norm(map, y);
  norm.move_running_statistics(options);
  return record("normalise", y, norm.inputs(x));
}

}  // namespace voxgrad

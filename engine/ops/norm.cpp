// Normalisation with its activation, dropout, random tensors.
#include <cmath>

#include "engine/ops/norm_graph.h"

namespace voxgrad {
namespace detail {

void check_affine(const Tensor& x, const Tensor& parameter, const char* op, const char* what) {
  if (!parameter.defined()) return;
  check(parameter.dtype() == wide_type(x.dtype()) && parameter.device() == x.device(), op, ": ", what, " is ",
        parameter, " on ", parameter.device(), ", x is ", x, " on ", x.device());
  check(parameter.shape() == Shape({x.extent(-1)}), op, ": ", what, " ", parameter.shape(), " for ", x.extent(-1),
        " channels");
}

namespace {

// The three gradients come out of the same two passes over x and dy; the first closure that is asked computes all.
struct NormGradients {
  Tensor x;
  Normalisation norm;
  Tensor dx, dgamma, dbeta;
  bool done = false;

  void compute(const Tensor& dy) {
    if (done) return;
    dx = dy.unique() ? dy : empty_like(x);  // nobody else will read dy: its memory takes dx
    if (norm.gamma.defined()) dgamma = empty_like(norm.gamma);
    if (norm.beta.defined()) dbeta = empty_like(norm.beta);
    x.backend().norm_gradient(x, norm.mean, norm.rstd, norm.gamma, norm.beta, norm.activation, dy,
                              norm.constant_statistics, dx, dgamma, dbeta);
    x = Tensor();
    done = true;
  }
};

Gradient gradient_of(const std::shared_ptr<NormGradients>& all, Tensor NormGradients::*which) {
  return [all, which](const Tensor& dy) {
    all->compute(dy);
    return std::move((*all).*which);
  };
}

}  // namespace

std::vector<Input> norm_inputs(const Tensor& x, const Normalisation& norm) {
  if (!recording({&x, &norm.gamma, &norm.beta})) return {};
  auto all = std::make_shared<NormGradients>(NormGradients{x.detach(), norm, {}, {}, {}});
  all->norm.gamma = norm.gamma.detach();
  all->norm.beta = norm.beta.detach();
  std::vector<Input> inputs{{x, gradient_of(all, &NormGradients::dx)}};
  if (norm.gamma.defined()) inputs.push_back({norm.gamma, gradient_of(all, &NormGradients::dgamma)});
  if (norm.beta.defined()) inputs.push_back({norm.beta, gradient_of(all, &NormGradients::dbeta)});
  return inputs;
}

Tensor running_rstd(const Tensor& running_var, double eps) {
  const NoGrad guard;
  return reshape(reciprocal(sqrt(affine(running_var.detach(), 1, eps))), {1, running_var.numel()});
}

void move_running(const Tensor& mean, const Tensor& rstd, double eps, std::int64_t count, double momentum,
                  const Tensor& running_mean, const Tensor& running_var) {
  const NoGrad guard;
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  const Tensor variance = affine(square(reciprocal(rstd)), unbiased, -eps * unbiased);
  mean.backend().lerp(reshape(mean, running_mean.shape()), momentum, running_mean);
  mean.backend().lerp(reshape(variance, running_var.shape()), momentum, running_var);
}

}  // namespace detail

namespace {

using detail::check_affine;

Tensor normalise(const Tensor& x, const detail::Normalisation& norm) {
  Tensor y = empty_like(x);
  x.backend().norm(x, norm.mean, norm.rstd, norm.gamma, norm.beta, norm.activation, y);
  return record("norm", y, detail::norm_inputs(x, norm));
}

}  // namespace

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& gamma, const Tensor& beta,
                  const NormOptions& options) {
  detail::check_feature_map(x, "group_norm");
  const std::int64_t channels = x.extent(-1);
  check(groups >= 1 && channels % groups == 0, "group_norm: ", channels, " channels do not divide into ", groups,
        " groups");
  check_affine(x, gamma, "group_norm", "gamma");
  check_affine(x, beta, "group_norm", "beta");
  Tensor mean = empty({x.extent(0), groups}, detail::wide_type(x.dtype()), x.device());
  Tensor rstd = empty_like(mean);
  x.backend().norm_statistics(x, options.eps, mean, rstd);
  return normalise(x, {mean, rstd, gamma, beta, {options.activation, options.slope}});
}

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var, bool training,
                  double momentum, const Tensor& gamma, const Tensor& beta, const NormOptions& options) {
  detail::check_feature_map(x, "batch_norm");
  const std::int64_t channels = x.extent(-1);
  check(running_mean.defined() && running_var.defined(), "batch_norm: needs running_mean and running_var");
  check_affine(x, running_mean, "batch_norm", "running_mean");
  check_affine(x, running_var, "batch_norm", "running_var");
  check_affine(x, gamma, "batch_norm", "gamma");
  check_affine(x, beta, "batch_norm", "beta");
  const NormActivation activation{options.activation, options.slope};
  if (!training)
    return normalise(x, {reshape(running_mean.detach(), {1, channels}), detail::running_rstd(running_var, options.eps),
                         gamma, beta, activation, true});
  const std::int64_t count = x.numel() / channels;
  check(count > 1, "batch_norm: more than one value per channel is needed in training, x is ", x.shape());
  Tensor mean = empty({1, channels}, detail::wide_type(x.dtype()), x.device());
  Tensor rstd = empty_like(mean);
  x.backend().norm_statistics(x, options.eps, mean, rstd);
  detail::move_running(mean, rstd, options.eps, count, momentum, running_mean, running_var);
  return normalise(x, {mean, rstd, gamma, beta, {options.activation, options.slope}});
}

Tensor dropout(const Tensor& x, double probability, std::uint64_t key, bool channelwise) {
  detail::check_float(x, "dropout");
  check(probability >= 0 && probability < 1, "dropout: probability ", probability, " outside [0, 1)");
  check(!channelwise || x.dims() >= 2, "dropout: channelwise needs [N, .., C], got ", x.shape());
  if (probability == 0) return x;
  Tensor y = empty_like(x);
  x.backend().dropout(x, probability, channelwise, key, y);
  // The mask is a function of the key: the same call on dy is the derivative, and nothing is saved.
  return record(
      "dropout", y,
      {{x, [probability, key, channelwise](const Tensor& dy) { return dropout(dy, probability, key, channelwise); }}});
}

Tensor random_uniform(const Shape& shape, std::uint64_t key, double low, double high, DType dtype, Device device) {
  check(low <= high, "random_uniform: low ", low, " is above high ", high);
  Tensor y = empty(shape, dtype, device);
  detail::check_float(y, "random_uniform");
  y.backend().random(Distribution::uniform, key, low, high, y);
  return y;
}

Tensor random_normal(const Shape& shape, std::uint64_t key, double mean, double deviation, DType dtype, Device device) {
  check(deviation >= 0, "random_normal: negative deviation ", deviation);
  Tensor y = empty(shape, dtype, device);
  detail::check_float(y, "random_normal");
  y.backend().random(Distribution::normal, key, mean, deviation, y);
  return y;
}

}  // namespace voxgrad

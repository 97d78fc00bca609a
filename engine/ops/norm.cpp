// Normalisation with its activation, dropout, random tensors.
#include <cmath>

#include "engine/ops/common.h"

namespace voxgrad {
namespace {

void check_affine(const Tensor& x, const Tensor& parameter, const char* op, const char* what) {
  if (!parameter.defined()) return;
  detail::check_like(x, parameter, op, what);
  check(parameter.shape() == Shape({x.extent(-1)}), op, ": ", what, " ", parameter.shape(), " for ", x.extent(-1),
        " channels");
}

// The three gradients come out of the same two passes over x and dy; the first closure that is asked computes all.
struct NormGradients {
  Tensor x, mean, rstd, gamma, beta;
  NormActivation activation;
  bool constant_statistics;
  Tensor dx, dgamma, dbeta;
  bool done = false;

  void compute(const Tensor& dy) {
    if (done) return;
    dx = empty_like(x);
    if (gamma.defined()) dgamma = empty_like(gamma);
    if (beta.defined()) dbeta = empty_like(beta);
    x.backend().norm_gradient(x, mean, rstd, gamma, beta, activation, dy, constant_statistics, dx, dgamma, dbeta);
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

Tensor normalise(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma, const Tensor& beta,
                 const NormOptions& options, bool constant_statistics) {
  const NormActivation activation{options.activation, options.slope};
  Tensor y = empty_like(x);
  x.backend().norm(x, mean, rstd, gamma, beta, activation, y);
  if (!recording({&x, &gamma, &beta})) return y;
  auto all = std::make_shared<NormGradients>(NormGradients{
      x.detach(), mean, rstd, gamma.detach(), beta.detach(), activation, constant_statistics, {}, {}, {}});
  std::vector<Input> inputs{{x, gradient_of(all, &NormGradients::dx)}};
  if (gamma.defined()) inputs.push_back({gamma, gradient_of(all, &NormGradients::dgamma)});
  if (beta.defined()) inputs.push_back({beta, gradient_of(all, &NormGradients::dbeta)});
  return record(y, std::move(inputs));
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
  Tensor mean = empty({x.extent(0), groups}, x.dtype(), x.device());
  Tensor rstd = empty_like(mean);
  x.backend().norm_statistics(x, options.eps, mean, rstd);
  return normalise(x, mean, rstd, gamma, beta, options, false);
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
  if (!training) {
    Tensor rstd;
    {
      const NoGrad guard;
      rstd = reciprocal(sqrt(affine(running_var.detach(), 1, options.eps)));
    }
    return normalise(x, reshape(running_mean.detach(), {1, channels}), reshape(rstd, {1, channels}), gamma, beta,
                     options, true);
  }
  const std::int64_t count = x.numel() / channels;
  check(count > 1, "batch_norm: more than one value per channel is needed in training, x is ", x.shape());
  Tensor mean = empty({1, channels}, x.dtype(), x.device());
  Tensor rstd = empty_like(mean);
  x.backend().norm_statistics(x, options.eps, mean, rstd);
  {
    const NoGrad guard;
    const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
    const Tensor variance = affine(square(reciprocal(rstd)), unbiased, -options.eps * unbiased);
    x.backend().lerp(reshape(mean, {channels}), momentum, running_mean);
    x.backend().lerp(reshape(variance, {channels}), momentum, running_var);
  }
  return normalise(x, mean, rstd, gamma, beta, options, false);
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
      y,
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

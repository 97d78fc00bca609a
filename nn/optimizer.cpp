#include "nn/optimizer.h"

#include <algorithm>
#include <cmath>

#include "engine/backend.h"
#include "engine/names.h"

namespace voxgrad::nn {
namespace {

void expect(bool ok, const char* name, double value, const char* range) {
  if (!ok) throw Error(ErrorKind::usage, text("optimizer: ", name, " is ", value, ", must be ", range));
}

void expect_fraction(const char* name, double value) { expect(value >= 0 && value < 1, name, value, "in [0, 1)"); }

// Moves a tensor to the device and the type of `w`, because the module may have moved since the last step.
void follow(Tensor& tensor, const Tensor& w) { tensor = tensor.to(w.dtype()).to(w.device()); }

std::vector<NamedTensor> on_host(std::vector<NamedTensor> tensors) {
  for (NamedTensor& entry : tensors) entry.tensor = entry.tensor.clone().to(Device::cpu);
  return tensors;
}

// Replaces `own` by the tensors of the same names in `state`, on the device and in the type that each has now.
void restore(const char* what, std::vector<NamedTensor>& own, const std::vector<NamedTensor>& state) {
  const auto refuse = [&](const std::string& message) {
    throw Error(ErrorKind::model, text(what, ": ", message), "the checkpoint belongs to another network or optimizer");
  };
  std::vector<NamedTensor> loaded;
  for (const NamedTensor& entry : own) {
    const auto found = std::find_if(state.begin(), state.end(), [&](const auto& s) { return s.name == entry.name; });
    if (found == state.end()) refuse(text('"', entry.name, "\" is missing"));
    if (!(found->tensor.shape() == entry.tensor.shape()) || !is_float(found->tensor.dtype()))
      refuse(text('"', entry.name, "\" is ", found->tensor, ", expected ", entry.tensor));
    loaded.push_back({entry.name, found->tensor.clone().to(entry.tensor.dtype()).to(entry.tensor.device())});
  }
  if (state.size() != own.size()) refuse(text(state.size(), " tensors, expected ", own.size()));
  own = std::move(loaded);
}

}  // namespace

Optimizer::Optimizer(Kind kind, Module& module, const OptimizerOptions& options)
    : kind_(kind), module_(module), options_(options) {
  expect(options.weight_decay >= 0, "weight_decay", options.weight_decay, "0 or above");
  const Tensor w = module.flat_parameters();
  if (kind == Kind::sgd) {
    expect_fraction("momentum", options.momentum);
    expect(!options.nesterov || options.momentum > 0, "momentum", options.momentum, "above 0 for nesterov");
    if (options.momentum > 0) buffers_ = {{"momentum", zeros_like(w)}};
  } else {
    expect_fraction("beta1", options.beta1);
    expect_fraction("beta2", options.beta2);
    expect(static_cast<float>(options.eps) > 0, "eps", options.eps, "1e-45 or above: less is 0 in f32");
    buffers_ = {{"first", zeros_like(w)}, {"second", zeros_like(w)}};
  }
}

void Optimizer::step(double lr, double gradient_scale) {
  check(lr >= 0, "optimizer: the learning rate is ", lr, ", must be 0 or above");
  const OptimizerOptions& o = options_;
  const Tensor w = module_.flat_parameters(), gradient = module_.flat_gradients();
  for (NamedTensor& entry : buffers_) {
    check(entry.tensor.numel() == w.numel(), "optimizer: it was made for ", entry.tensor.numel(),
          " parameters, the module now has ", w.numel());
    follow(entry.tensor, w);
  }
  ++steps_;
  if (kind_ == Kind::sgd)
    w.backend().sgd_step({.lr = lr,
                          .momentum = o.momentum,
                          .weight_decay = o.weight_decay,
                          .gradient_scale = gradient_scale,
                          .nesterov = o.nesterov,
                          .first = steps_ == 1},
                         gradient, buffers_.empty() ? Tensor() : buffers_[0].tensor, w);
  else
    w.backend().adam_step({.lr = lr,
                           .beta1 = o.beta1,
                           .beta2 = o.beta2,
                           .eps = o.eps,
                           .weight_decay = o.weight_decay,
                           .gradient_scale = gradient_scale,
                           .decoupled = kind_ == Kind::adamw,
                           .count = steps_},
                          gradient, buffers_[0].tensor, buffers_[1].tensor, w);
}

std::vector<NamedTensor> Optimizer::state() const { return on_host(buffers_); }

void Optimizer::load_state(const std::vector<NamedTensor>& state, std::int64_t steps) {
  check(steps >= 0, "optimizer: a step count of ", steps);
  restore("optimizer", buffers_, state);
  steps_ = steps;
}

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names{"sgd", "adam", "adamw"};
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, Module& module, const OptimizerOptions& options) {
  const auto kind = static_cast<Optimizer::Kind>(choose("optimizer", name, optimizer_names()));
  return std::make_unique<Optimizer>(kind, module, options);
}

double clip_gradients(Module& module, double max_norm) {
  check(max_norm > 0, "clip_gradients: max_norm is ", max_norm, ", must be above 0");
  const Tensor gradient = module.flat_gradients();
  const double norm = std::sqrt(gradient.backend().sum_of_squares(gradient));
  if (std::isfinite(norm) && norm > max_norm) {
    const Tensor scale = full({1}, max_norm / norm, gradient.dtype(), gradient.device());
    gradient.backend().binary(BinaryOp::multiply, gradient, scale, gradient);
  }
  return norm;
}

Ema::Ema(Module& module, double decay) : module_(module), decay_(decay) {
  expect_fraction("decay of the moving average", decay);
  average_ = values();
  for (NamedTensor& entry : average_) entry.tensor = entry.tensor.clone();
}

std::vector<NamedTensor> Ema::values() const {
  std::vector<NamedTensor> all{{"parameters", module_.flat_parameters()}};
  for (NamedTensor& entry : module_.buffers()) all.push_back({"buffers." + entry.name, std::move(entry.tensor)});
  check(average_.empty() || (all.size() == average_.size() && all[0].tensor.numel() == average_[0].tensor.numel()),
        "moving average: the module has grown since it was made");
  return all;
}

void Ema::update() {
  const std::vector<NamedTensor> all = values();
  const double t = static_cast<double>(++updates_), decay = std::min(decay_, (1 + t) / (10 + t));
  for (std::size_t i = 0; i < all.size(); ++i) {
    follow(average_[i].tensor, all[i].tensor);
    average_[i].tensor.backend().lerp(all[i].tensor, 1 - decay, average_[i].tensor);
  }
}

void Ema::swap() {
  const std::vector<NamedTensor> all = values();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor before = std::exchange(average_[i].tensor, all[i].tensor.clone());
    copy_into(all[i].tensor, before);
  }
}

std::vector<NamedTensor> Ema::state() const { return on_host(average_); }

void Ema::load_state(const std::vector<NamedTensor>& state, std::int64_t updates) {
  check(updates >= 0, "moving average: an update count of ", updates);
  restore("moving average", average_, state);
  updates_ = updates;
}

}  // namespace voxgrad::nn

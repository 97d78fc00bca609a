// Optimisers: one fused pass over the flat parameters and gradients of a module (Module::flatten). The formulas are
// those of torch.optim, so that runs can be compared. Weight decay acts on every parameter, as there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"

namespace voxgrad::nn {

struct OptimizerOptions {
  double weight_decay = 0;  // >= 0. sgd, adam: added to the gradient (L2); adamw: decoupled, times the learning rate
  double momentum = 0.9;    // sgd, [0, 1)
  bool nesterov = false;    // sgd, needs momentum > 0
  double beta1 = 0.9;       // adam, adamw, [0, 1)
  double beta2 = 0.999;
  double eps = 1e-8;  // > 0
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step with the gradients that backward() has collected; they stay (Module::zero_grad). `gradient_scale` is
  // multiplied to them first: 1 / k after k backward passes gives their mean. Error(argument) for a rate < 0 or NaN.
  void step(double lr, double gradient_scale = 1);
  std::int64_t steps() const { return steps_; }

  // For checkpoints: "momentum" (sgd) or "first" and "second" (adam, adamw), [parameter_count()] on the host in the
  // order of the flat buffer. They follow the module when it moves.
  std::vector<NamedTensor> state() const;
  // What state() and steps() gave. Error(model) if tensors are missing, left over or of another size.
  void load_state(const std::vector<NamedTensor>& state, std::int64_t steps);

 protected:
  // Buffers with these names, zeros, one element per parameter of `module`.
  Optimizer(Module& module, const std::vector<std::string>& buffers);
  virtual void update(double lr, double gradient_scale, const Tensor& gradient, const Tensor& w) = 0;
  const Tensor& buffer(std::size_t i) const { return buffers_[i].tensor; }

 private:
  Module& module_;
  std::vector<NamedTensor> buffers_;
  std::int64_t steps_ = 0;
};

// "sgd", "adam" (Kingma and Ba, ICLR 2015), "adamw" (Loshchilov and Hutter, ICLR 2019). `module` must outlive it.
// Error(usage) with a did-you-mean for another name, or with the range for an option outside it.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, Module& module,
                                          const OptimizerOptions& options = {});
const std::vector<std::string>& optimizer_names();

// Scales the gradients so that their common L2 norm is at most max_norm (> 0; infinity only measures) and returns the
// norm before, summed in f64. If that is NaN or infinite the gradients are left alone: it is for the caller to stop.
double clip_gradients(Module& module, double max_norm);

// Exponential moving average of parameters and buffers: average += (1 - d) (value - average), with
// d = min(decay, (1 + t) / (10 + t)) at update t = 1, 2, .., so that the first steps do not linger.
class Ema {
 public:
  // Starts at the present values. decay in [0, 1).
  Ema(Module& module, double decay);
  void update();  // once after every step
  // Exchanges average and module: once before an evaluation, once after it.
  void swap();
  std::int64_t updates() const { return updates_; }
  // "parameters" (flat, like the optimiser's) and "buffers.<name>", on the host. Error(model) as above.
  std::vector<NamedTensor> state() const;
  void load_state(const std::vector<NamedTensor>& state, std::int64_t updates);

 private:
  std::vector<NamedTensor> live() const;  // what is averaged, in the order of average_
  Module& module_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<NamedTensor> average_;
};

}  // namespace voxgrad::nn

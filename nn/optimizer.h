// Optimisers: one fused pass over the flat parameters and gradients of a module (Module::flatten). The formulas are
// those of torch.optim, so that runs can be compared. Weight decay acts on every parameter, as it does there.
//
// An optimiser or a moving average writes to its module: both belong to one thread, and to the same one as backward().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"

namespace voxgrad::nn {

struct OptimizerOptions {
  // >= 0. sgd and adam add weight_decay * w to the gradient; adamw subtracts lr * weight_decay * w from w instead.
  double weight_decay = 0;
  double momentum = 0.9;  // sgd, [0, 1)
  bool nesterov = false;  // sgd, needs momentum > 0
  double beta1 = 0.9;     // adam, adamw, [0, 1)
  double beta2 = 0.999;
  double eps = 1e-8;  // > 0
};

class Optimizer {
 public:
  // Stochastic gradient descent, Adam (Kingma and Ba, ICLR 2015), AdamW (Loshchilov and Hutter, ICLR 2019).
  enum class Kind { sgd, adam, adamw };
  // `module` must live longer than the optimiser. Error(usage) with the range if an option is outside it.
  Optimizer(Kind kind, Module& module, const OptimizerOptions& options = {});
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step with the gradients that backward() has collected. They are multiplied by `gradient_scale` first: 1 / k
  // after k backward passes takes their mean. They stay until Module::zero_grad(). Error(argument) for a rate < 0 or
  // NaN.
  void step(double lr, double gradient_scale = 1);
  std::int64_t steps() const noexcept { return steps_; }

  // For checkpoints: "momentum" (sgd) or "first" and "second" (adam, adamw), [parameter_count()] on the host in the
  // order of the flat buffer. They follow the module when it moves.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // Takes what state() and steps() gave. Error(model) if tensors are missing, left over or of another size.
  void load_state(const std::vector<NamedTensor>& state, std::int64_t steps);

 private:
  Kind kind_;
  Module& module_;
  OptimizerOptions options_;
  std::vector<NamedTensor> buffers_;  // one element per parameter
  std::int64_t steps_ = 0;
};

// The optimiser called "sgd", "adam" or "adamw". Error(usage) with a did-you-mean for another name.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, Module& module,
                                          const OptimizerOptions& options = {});
const std::vector<std::string>& optimizer_names();

// Scales the gradients so that their common L2 norm is at most max_norm (> 0; with infinity it only measures). Returns
// the norm before, summed in f64. If that is NaN or infinite the gradients are left alone, and the caller has to stop.
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
  std::int64_t updates() const noexcept { return updates_; }
  // "parameters" (flat, like the optimiser's) and "buffers.<name>", on the host. Error(model) as above.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  void load_state(const std::vector<NamedTensor>& state, std::int64_t updates);

 private:
  std::vector<NamedTensor> live() const;  // what is averaged, in the order of average_
  Module& module_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<NamedTensor> average_;
};

}  // namespace voxgrad::nn

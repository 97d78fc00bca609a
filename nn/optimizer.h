// Optimisers. A step is one pass over the flat parameters and gradients of a module (Module::flatten). The formulas are
// those of torch.optim, so that runs can be compared. As there, weight decay acts on every parameter.
//
// An optimiser or a moving average writes to its module, so only the thread that calls backward() may use them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nn/module.h"

namespace voxgrad::nn {

struct OptimizerOptions {
  // At least 0. sgd and adam add weight_decay * w to the gradient; adamw subtracts lr * weight_decay * w from w
  // instead.
  double weight_decay = 0;
  double momentum = 0.9;  // for sgd, in [0, 1)
  bool nesterov = false;  // for sgd with a momentum above 0
  double beta1 = 0.9;     // for adam and adamw, in [0, 1)
  double beta2 = 0.999;   // for adam and adamw, in [0, 1)
  double eps = 1e-8;      // for adam and adamw, 1e-45 or above: less is 0 in f32
};

class Optimizer {
 public:
  // Stochastic gradient descent, Adam (Kingma and Ba, ICLR 2015), AdamW (Loshchilov and Hutter, ICLR 2019).
  enum class Kind { sgd, adam, adamw };
  // `module` must live longer than the optimiser. Error(usage) with the range if an option is outside it.
  Optimizer(Kind kind, Module& module, const OptimizerOptions& options = {});
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Changes the parameters by one step with learning rate `lr`. backward() has added up the gradients; `gradient_scale`
  // multiplies them, so 1 / k after k backward passes gives their mean. The gradients themselves do not change. Error
  // (argument) for a rate that is negative or NaN.
  void step(double lr, double gradient_scale = 1);
  std::int64_t steps() const noexcept { return steps_; }

  // The state for a checkpoint: "momentum" of sgd, or "first" and "second" of adam and adamw. Each is
  // [parameter_count()], on the host and in the order of the flat buffer.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  // Restores state() and steps(). Error(model) if tensors are missing, left over or of another size.
  void load_state(const std::vector<NamedTensor>& state, std::int64_t steps);

 private:
  Kind kind_;
  Module& module_;
  OptimizerOptions options_;
  std::vector<NamedTensor> buffers_;  // one element per parameter
  std::int64_t steps_ = 0;
};

// The optimiser called "sgd", "adam" or "adamw". Error(usage) with the known names for another one.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, Module& module,
                                          const OptimizerOptions& options = {});
const std::vector<std::string>& optimizer_names();

// Scales the gradients so that their common L2 norm is at most max_norm, and returns the norm before that, summed in
// f64. max_norm is above 0; infinity changes nothing. If the norm is NaN or infinite, the gradients do not change, and
// the caller has to decide what to do.
double clip_gradients(Module& module, double max_norm);

// Exponential moving average of parameters and buffers: average += (1 - d) (value - average). At update t = 1, 2, ..
// the decay is d = min(decay, (1 + t) / (10 + t)), so that the average soon forgets the first steps.
class Ema {
 public:
  // The average starts with the present values. decay is in [0, 1).
  Ema(Module& module, double decay);
  void update();  // is called once after every step
  // Exchanges the average and the values of the module; is called once before an evaluation and once after it.
  void swap();
  std::int64_t updates() const noexcept { return updates_; }
  // "parameters", which is flat like the state of the optimiser, and "buffers.<name>", on the host. Error(model) as
  // above.
  [[nodiscard]] std::vector<NamedTensor> state() const;
  void load_state(const std::vector<NamedTensor>& state, std::int64_t updates);

 private:
  std::vector<NamedTensor> values() const;  // the tensors of the module that are averaged, in the order of average_
  Module& module_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<NamedTensor> average_;
};

}  // namespace voxgrad::nn

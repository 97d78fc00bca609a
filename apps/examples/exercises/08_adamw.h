// Exercise 8: AdamW.
// Read before: nn/README.md, "Flat buffers"; nn/optimizer.h, the comments of OptimizerOptions and step()
//
// AdamW divides the gradient by its own usual size, so every parameter moves by about the learning rate, whatever the
// unit of its gradient is. It keeps two running means per parameter: m of the gradient g and v of its square. In step
// number t = 1, 2, ..
//
//   m <- beta1 m + (1 - beta1) g
//   v <- beta2 v + (1 - beta2) g^2
//   w <- w - lr decay w - lr M / (sqrt(V) + eps)      with M = m / (1 - beta1^t), V = v / (1 - beta2^t)
//
// w on the right is the value before the step. m and v begin as zeros, so the first means are too small; M and V repair
// that. After the first step M = g and V = g^2: the first move is lr against the sign of g. The decay does not pass
// through m and v; that is the W of AdamW.
//
// Change `w` and `state` in place. Before the first step state.steps is 0, and state.m and state.v are empty.
#pragma once

#include "apps/examples/exercises/hole.h"

namespace voxgrad::learn {

struct AdamState {
  std::vector<double> m, v;
  std::int64_t steps = 0;  // that were done
};
struct AdamSettings {
  double lr, decay, beta1, beta2, eps;
};

inline void my_adamw_step(std::vector<double>& w, const std::vector<double>& gradient, AdamState& state,
                          const AdamSettings& settings) {
  not_filled("my_adamw_step", w, gradient, state, settings);
}

}  // namespace voxgrad::learn

// Solution: engine/cpu/step.cpp: void CpuBackend::adam_step(
// Solution: nn/optimizer.cpp: void Optimizer::step(
#pragma once

#include "apps/examples/exercises/08_adamw.h"
#include "nn/optimizer.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole8 {

struct Answer {
  decltype(&my_adamw_step) step = my_adamw_step;
};

// A module that is nothing but parameters.
struct Parameters final : nn::Module {
  Tensor w;
  explicit Parameters(const Tensor& start) : w(start.clone()) { add_parameter("w", w); }
  Tensor forward(const Tensor& x) override { return x * w; }
};

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_adamw_step", [&] {
    const AdamSettings all[] = {{0.1, 0, 0.9, 0.999, 1e-8},
                                {0.01, 0.3, 0.9, 0.999, 1e-8},
                                {0.5, 0.1, 0.5, 0.8, 0.1},
                                {0, 0.1, 0.9, 0.99, 1e-8}};
    for (const AdamSettings& o : all) {
      const Tensor start = numbers({7}, 1);
      Parameters module(start);
      module.to(DType::f64);
      const auto optimizer = nn::make_optimizer(
          "adamw", module, {.weight_decay = o.decay, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps});
      std::vector<double> w = start.to_vector<double>();
      AdamState state;
      for (std::uint64_t step = 1; step <= 6; ++step) {
        // Steps 1, 2, .. have larger and larger gradients, and a parameter without any.
        const Tensor gradient = numbers({7}, 10 + step) * std::pow(10.0, static_cast<double>(step) - 3);
        gradient.set({3}, 0);
        copy_into(module.flat_gradients(), gradient);
        optimizer->step(o.lr);
        answer.step(w, gradient.to_vector<double>(), state, o);
        const std::string what =
            text("step ", step, ", lr ", o.lr, ", decay ", o.decay, ", beta ", o.beta1, ", ", o.beta2, ", eps ", o.eps);
        expect(w.size() == 7, what, ": w has ", w.size(), " elements, not 7");
        same(what, from_vector<double>({7}, w), module.flat_parameters());
        expect(state.steps == static_cast<std::int64_t>(step), what, ": state.steps is ", state.steps);
      }
    }
  });
}

}  // namespace voxgrad::learn::hole8

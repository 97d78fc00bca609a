// Solution: engine/cpu/norm.cpp: void block_moments(
// Solution: engine/cpu/norm.cpp: void forward(
// Solution: engine/cpu/norm.cpp: void parameter_gradients(
// Solution: engine/cpu/norm.cpp: struct StatisticsGradient {
// Solution: engine/cpu/norm.cpp: void input_gradient(
#pragma once

#include "apps/examples/exercises/05_instance_norm.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole5 {

struct Answer {
  decltype(&my_instance_norm) norm = my_instance_norm;
  decltype(&my_instance_norm_gradients) gradients = my_instance_norm_gradients;
};

// Calls f(what, x, eps) for several extents and for values far from zero.
template <class F>
void for_maps(F&& f) {
  for (const Shape& shape : {Shape{1, 2, 2, 1}, {2, 3, 4, 3}, {3, 1, 5, 2}, {1, 6, 6, 5}})
    for (const double eps : {1e-5, 0.5}) f(text("x ", shape, ", eps ", eps), numbers(shape, 1) * 3.0 + 2.0, eps);
  f("x [2, 3, 4, 2] around 1e8", numbers({2, 3, 4, 2}, 2) + 1e8, 1e-5);
  f("x [1, 2, 3, 1], all elements 7", full({1, 2, 3, 1}, 7, DType::f64), 1e-5);
}

inline void check(Report& report, const Answer& answer = {}) {
  // Around 1e8 the last digits of x are 1e-8 of its deviation, and the mean loses some of them.
  constexpr double kTolerance = 1e-6;
  report.part("my_instance_norm", [&] {
    for_maps([&](const std::string& what, const Tensor& x, double eps) {
      const std::int64_t channels = x.extent(-1);
      const Tensor gamma = numbers({channels}, 3), beta = numbers({channels}, 4);
      same(what, answer.norm(x, gamma, beta, eps),
           normalise(x, {.groups = channels, .gamma = gamma, .beta = beta, .eps = eps}), kTolerance);
    });
  });
  report.part("my_instance_norm_gradients", [&] {
    for_maps([&](const std::string& what, const Tensor& x, double eps) {
      const std::int64_t channels = x.extent(-1);
      Tensor map = leaf(x), gamma = leaf(numbers({channels}, 3)), beta = leaf(numbers({channels}, 4));
      const Tensor dy = numbers(x.shape(), 5) + 1.0;
      const NormGradients mine = answer.gradients(x, gamma.detach(), eps, dy);
      normalise(map, {.groups = channels, .gamma = gamma, .beta = beta, .eps = eps}).backward(dy);
      same(what + ", gradient of gamma", mine.gamma, gamma.grad(), kTolerance);
      same(what + ", gradient of beta", mine.beta, beta.grad(), kTolerance);
      same(what + ", gradient of x", mine.x, map.grad(), kTolerance);
    });
  });
}

}  // namespace voxgrad::learn::hole5

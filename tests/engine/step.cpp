// Optimiser steps against the update rules written out in f64, as PyTorch defines them.
#include "tests/test.h"

#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

TEST_CASE("SGD with momentum, Nesterov, decay and a gradient scale follows the rule of PyTorch") {
  Random random(51);
  for (int i = 0; i < 60; ++i) {
    const DType dtype = float_type(random);
    const Shape shape{1 + random.below(i == 0 ? 100000 : 300)};
    SgdStep step{.lr = random.uniform(0.01, 0.5),
                 .momentum = random.chance(0.3) ? 0.0 : random.uniform(0.1, 0.95),
                 .weight_decay = random.chance(0.5) ? 0.0 : 0.01,
                 .gradient_scale = random.uniform(0.2, 1),
                 .nesterov = random.chance(0.5),
                 .first = true};
    const Tensor w = noise(shape, dtype, random), buffer = full(shape, NAN, dtype);  // the first step must not read it
    const bool momentum = step.momentum != 0;
    std::vector<double> p = values(w), b(p.size());
    for (int t = 0; t < 4; ++t) {
      const Tensor dw = noise(shape, dtype, random);
      step.first = t == 0;
      cpu_backend().sgd_step(step, dw, momentum ? buffer : Tensor{}, w);
      const std::vector<double> g = values(dw);
      for (std::size_t k = 0; k < p.size(); ++k) {
        const double d = step.gradient_scale * g[k] + step.weight_decay * p[k];
        b[k] = t == 0 ? d : step.momentum * b[k] + d;
        p[k] -= step.lr * (!momentum ? d : step.nesterov ? d + step.momentum * b[k] : b[k]);
      }
    }
    CHECK(difference(values(w), p) < 4 * tolerance(dtype));
    if (momentum) CHECK(difference(values(buffer), b) < 4 * tolerance(dtype));
  }
}

TEST_CASE("Adam and AdamW follow the rule of PyTorch") {
  Random random(52);
  for (int i = 0; i < 60; ++i) {
    const DType dtype = float_type(random);
    const Shape shape{1 + random.below(i == 0 ? 100000 : 300)};
    AdamStep step{.lr = random.uniform(1e-3, 0.1),
                  .beta1 = random.uniform(0.5, 0.95),
                  .beta2 = random.uniform(0.9, 0.9999),
                  .eps = 1e-8,
                  .weight_decay = random.chance(0.3) ? 0.0 : 0.05,
                  .gradient_scale = random.uniform(0.2, 1),
                  .decoupled = random.chance(0.5),
                  .count = 0};
    const Tensor w = noise(shape, dtype, random), first = zeros(shape, dtype), second = zeros(shape, dtype);
    std::vector<double> p = values(w), m(p.size()), v(p.size());
    for (int t = 1; t <= 5; ++t) {
      const Tensor dw = noise(shape, dtype, random);
      step.count = t;
      cpu_backend().adam_step(step, dw, first, second, w);
      const std::vector<double> gradient = values(dw);
      for (std::size_t k = 0; k < p.size(); ++k) {
        const double g = step.gradient_scale * gradient[k] + (step.decoupled ? 0 : step.weight_decay * p[k]);
        if (step.decoupled) p[k] *= 1 - step.lr * step.weight_decay;
        m[k] = step.beta1 * m[k] + (1 - step.beta1) * g;
        v[k] = step.beta2 * v[k] + (1 - step.beta2) * g * g;
        const double m_hat = m[k] / (1 - std::pow(step.beta1, t)), v_hat = v[k] / (1 - std::pow(step.beta2, t));
        p[k] -= step.lr * m_hat / (std::sqrt(v_hat) + step.eps);
      }
    }
    CHECK(difference(values(w), p) < 5 * tolerance(dtype));
    CHECK(difference(values(first), m) < tolerance(dtype));
    CHECK(difference(values(second), v) < tolerance(dtype));
  }
}

TEST_CASE("an Adam step on a zero gradient does nothing, and eps bounds a tiny one") {
  const AdamStep step{.lr = 0.1,
                      .beta1 = 0.9,
                      .beta2 = 0.999,
                      .eps = 1e-8,
                      .weight_decay = 0,
                      .gradient_scale = 1,
                      .decoupled = false,
                      .count = 1};
  const Tensor w = full({2}, 1), g = from_vector<float>({2}, {0, 1e-12f}), m = zeros({2}), v = zeros({2});
  cpu_backend().adam_step(step, g, m, v, w);
  CHECK(values(w)[0] == 1);
  CHECK(std::fabs(values(w)[1] - (1 - 0.1 * 1e-12 / (1e-12 + 1e-8))) < 1e-7);
}

TEST_CASE("lerp moves towards x by its weight") {
  Random random(53);
  for (const std::int64_t n : {1, 31, 100003})
    for (const double weight : {0.0, 0.1, 1.0}) {
      const Tensor x = noise({n}, DType::f64, random), y = noise({n}, DType::f64, random);
      std::vector<double> expected = values(y);
      const std::vector<double> target = values(x);
      for (std::size_t k = 0; k < expected.size(); ++k) expected[k] = (1 - weight) * expected[k] + weight * target[k];
      cpu_backend().lerp(x, weight, y);
      CHECK(difference(values(y), expected) < 1e-14);
    }
}

TEST_CASE("steps do not depend on the number of threads") {
  Random random(54);
  const Tensor w = noise({200003}, DType::f32, random), g = noise({200003}, DType::f32, random);
  CHECK(same_for_threads([&] {
    const Tensor a = w.clone(), b = w.clone(), m = g.clone(), first = zeros_like(w), second = zeros_like(w);
    cpu_backend().sgd_step({0.1, 0.9, 0.01, 0.5, true, false}, g, m, a);
    cpu_backend().adam_step({0.1, 0.9, 0.99, 1e-8, 0.01, 0.5, true, 3}, g, first, second, b);
    return std::vector<Tensor>{a, b, m, first, second};
  }));
}

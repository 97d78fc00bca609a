// Solution: losses/dice.cpp: return [=](const LossInput& in) {
// Solution: losses/terms/region.cpp: Tensor dice_coefficient(
// Solution: engine/integrands.h: ROW(overlap,
// Solution: engine/integrands.h: ROW(mass,
// Solution: engine/ops/integrate.cpp: Tensor integrate(
#pragma once

#include "apps/examples/exercises/06_dice.h"
#include "losses/core/loss.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole6 {

struct Answer {
  decltype(&my_dice) dice = my_dice;
  decltype(&my_dice_gradient) gradient = my_dice_gradient;
};

// Calls f(what, logits, labels, s): several extents, a class that is absent, and logits that overflow e^z.
template <class F>
void for_pictures(F&& f) {
  for (const Shape& shape : {Shape{1, 3, 4, 2}, {2, 4, 3, 3}, {3, 2, 5, 4}}) {
    const Tensor logits = numbers(shape, 1), labels = argmax(numbers(shape, 2));
    for (const double s : {1e-5, 1.0}) f(text("logits ", shape, ", s ", s), logits, labels, s);
    f(text("logits ", shape, " times 800"), logits * 800.0, labels, 1e-5);
    f(text("logits ", shape, ", background alone"), logits, zeros(labels.shape(), DType::u8), 1.0);
  }
}

inline losses::Loss engine_dice(double s) { return losses::make_loss(text("dice:smooth_nr=", s, ",smooth_dr=", s)); }

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_dice", [&] {
    for_pictures([&](const std::string& what, const Tensor& logits, const Tensor& labels, double s) {
      same(what, full({}, answer.dice(logits, labels, s), DType::f64), engine_dice(s)(logits, labels));
    });
  });
  report.part("my_dice_gradient", [&] {
    for_pictures([&](const std::string& what, const Tensor& logits, const Tensor& labels, double s) {
      Tensor z = leaf(logits);
      engine_dice(s)(z, labels).backward();
      same(what, answer.gradient(logits, labels, s), z.grad());
    });
  });
}

}  // namespace voxgrad::learn::hole6

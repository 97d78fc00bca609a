// Expect: "descent 2.9826 x - 0.9853, least squares 2.9826 x - 0.9853".
//
// 50 points lie near y = 3 x - 1. Gradient descent starts with the line y = 0 and turns it a little at every step. The
// line with the least mean square error is also known in closed form, so one can see where the descent must end.
#include <cstdio>

#include "engine/ops.h"
#include "engine/random.h"

using namespace voxgrad;

int main() {
  const Random random(1);
  const Tensor x = random_uniform({50}, random.fork(1).key(), -1, 1, DType::f64);
  const Tensor y = 3.0 * x - 1.0 + random_normal({50}, random.fork(2).key(), 0, 0.1, DType::f64);

  Tensor slope = full({}, 0, DType::f64).set_requires_grad(), shift = full({}, 0, DType::f64).set_requires_grad();
  for (int step = 0; step < 200; ++step) {
    const Tensor loss = mean(square(slope * x + shift - y));
    loss.backward();
    for (const Tensor& p : {slope, shift}) {
      copy_into(p, p.detach() - 0.3 * p.grad());  // in place, and not recorded
      p.set_grad({});                             // the next backward() would add to it
    }
    if (step % 50 == 0) std::printf("step %3d: loss %.4f\n", step, loss.item());
  }

  const Tensor dx = x - mean(x), dy = y - mean(y);
  const double best = (sum(dx * dy) / sum(square(dx))).item(), at_zero = mean(y).item() - best * mean(x).item();
  std::printf("descent %.4f x - %.4f, least squares %.4f x - %.4f\n", slope.item(), -shift.item(), best, -at_zero);
}

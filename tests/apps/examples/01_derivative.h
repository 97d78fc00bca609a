// Solution: engine/functors.h: ROW(softplus,
// Solution: engine/ops/elementwise.cpp: Tensor unary(
#pragma once

#include "apps/examples/exercises/01_derivative.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole1 {

struct Answer {
  decltype(&my_softplus) softplus = my_softplus;
};

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_softplus", [&] {
    const Tensor wide = tensor({0, 1, -1, 30, -30, 1000, -1000}, DType::f64);
    const Tensor small = tensor({-25, -35}, DType::f64);
    for (const Tensor& x : {numbers({3, 4}, 1), numbers({}, 2), numbers({1, 2, 3, 2}, 3), wide, small}) {
      const std::string what = text("x ", x.shape());
      Tensor mine = leaf(x), theirs = leaf(x);
      const Tensor y = answer.softplus(mine), expected = softplus(theirs);
      same(what, y, expected);
      expect(y.requires_grad(), what, ": the result has no node, so no derivative can come back: use record()");
      expect(y.node()->edges.size() == 1 && y.node()->edges[0].input == mine.node(), what,
             ": the node does not lead to x in one step: compute with x.detach()");
      // The result is used twice, so its derivative is a sum that is not 1.
      sum(y * y + 3.0 * y).backward();
      sum(expected * expected + 3.0 * expected).backward();
      same(what + ", derivative", mine.grad(), theirs.grad());
    }
    expect(!answer.softplus(wide).requires_grad(), "x without a gradient: the result must have none either");
  });
}

}  // namespace voxgrad::learn::hole1

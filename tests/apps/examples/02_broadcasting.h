// Solution: engine/ops/reduce.cpp: Tensor sum_to(
// Solution: engine/autograd.cpp: void accumulate(
#pragma once

#include "apps/examples/exercises/02_broadcasting.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole2 {

struct Answer {
  decltype(&my_broadcast_gradient) gradient = my_broadcast_gradient;
};

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_broadcast_gradient", [&] {
    const std::pair<Shape, Shape> pairs[] = {{{2, 3}, {3}},
                                             {{2, 3}, {2, 1}},
                                             {{2, 3}, {2, 3}},
                                             {{2, 3}, {}},
                                             {{}, {}},
                                             {{3, 3}, {3}},
                                             {{3, 3}, {1, 3}},
                                             {{3, 3}, {3, 1}},
                                             {{2, 1, 3}, {1, 3}},
                                             {{4, 2, 3}, {2, 1}},
                                             {{2, 4, 5, 3}, {2, 1, 1, 3}},
                                             {{2, 2, 2, 2}, {1, 2, 1}},
                                             {{5, 1}, {1}}};
    for (const auto& [large, small] : pairs) {
      const Tensor gradient = numbers(large, 1);
      same(text("gradient ", large, ", operand ", small), answer.gradient(gradient, small), sum_to(gradient, small));
    }
  });
}

}  // namespace voxgrad::learn::hole2

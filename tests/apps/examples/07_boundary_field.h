// Solution: losses/core/fields.cpp: Tensor signed_distance(
// Solution: losses/core/fields.cpp: Distances measure(
#pragma once

#include "apps/examples/exercises/07_boundary_field.h"
#include "losses/core/fields.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole7 {

struct Answer {
  decltype(&my_boundary_field) field = my_boundary_field;
};

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_boundary_field", [&] {
    const auto compare = [&](const std::string& what, const Tensor& labels, std::int64_t classes) {
      same(what, answer.field(labels, classes), losses::make_field("signed:plain", labels, classes, {}, DType::f64));
    };
    const auto random = [](const Shape& shape, std::int64_t classes) {
      return argmax(numbers(shape + Shape{classes}, 1));
    };
    compare("random labels [1, 5, 7], 2 classes", random({1, 5, 7}, 2), 2);
    compare("random labels [3, 8, 6], 4 classes", random({3, 8, 6}, 4), 4);
    Tensor square = zeros({2, 9, 9}, DType::u8);  // the second sample has no square
    for (int i = 2; i < 7; ++i)
      for (int j = 3; j < 8; ++j) square.set({0, i, j}, 1);
    compare("a square, and a sample without one", square, 2);
    compare("a square, of 3 classes", square, 3);
    compare("one class that fills the image", full({1, 4, 5}, 1, DType::u8), 2);
  });
}

}  // namespace voxgrad::learn::hole7

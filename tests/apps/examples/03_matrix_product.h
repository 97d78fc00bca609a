// Solution: engine/ops/matmul.cpp: Tensor matmul(
// Solution: engine/cpu/gemm.cpp: void multiply_dots(
#pragma once

#include "apps/examples/exercises/03_matrix_product.h"
#include "tests/apps/examples/report.h"

namespace voxgrad::learn::hole3 {

struct Answer {
  decltype(&my_matmul) matmul = my_matmul;
  decltype(&my_matmul_gradients) gradients = my_matmul_gradients;
};

// Calls f(what, a, b) for matrices of several extents.
template <class F>
void for_products(F&& f) {
  const std::int64_t extents[][3] = {{2, 3, 4}, {3, 3, 3}, {1, 5, 1}, {4, 1, 2}, {7, 6, 5}, {3, 0, 2}};
  for (const auto& [m, k, n] : extents)
    f(text("a [", m, ", ", k, "], b [", k, ", ", n, ']'), numbers({m, k}, 1), numbers({k, n}, 2));
}

inline void check(Report& report, const Answer& answer = {}) {
  report.part("my_matmul", [&] {
    for_products([&](const std::string& what, const Tensor& a, const Tensor& b) {
      same(what, answer.matmul(a, b), matmul(a, b));
    });
  });
  report.part("my_matmul_gradients", [&] {
    for_products([&](const std::string& what, const Tensor& a, const Tensor& b) {
      Tensor left = leaf(a), right = leaf(b);
      const Tensor dy = numbers({a.extent(0), b.extent(1)}, 3);
      const ProductGradients mine = answer.gradients(a, b, dy);
      matmul(left, right).backward(dy);
      same(what + ", gradient of a", mine.a, left.grad());
      same(what + ", gradient of b", mine.b, right.grad());
    });
  });
}

}  // namespace voxgrad::learn::hole3

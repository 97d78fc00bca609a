// The numbers in the chapters engine/README.md and engine/cpu/README.md, which quote this file.
#include <cmath>
#include <vector>

#include "engine/backend.h"
#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {

using Numbers = std::vector<double>;

Numbers numbers(const Tensor& x) { return x.to_vector<double>(); }

// MiB in use, rounded: single numbers take a few bytes, too.
double mib() { return std::round(static_cast<double>(backend_of(Device::cpu).pool().statistics().in_use) / (1 << 20)); }

}  // namespace

TEST_CASE("a convolution there and back, by its definition") {
  Tensor d = tensor({{{1}, {3}, {2}, {5}}}).set_requires_grad();  // [N, W, C]: a line of four numbers
  Tensor g = tensor({{{2}, {4}, {-2}}}).set_requires_grad();      // [Cout, K, Cin]
  const Tensor y = conv(d, g, {});
  CHECK(numbers(y) == Numbers{10, 4});
  y.backward(tensor({{{1}, {2}}}));
  CHECK(numbers(d.grad()) == Numbers{2, 8, 6, -4});
  CHECK(numbers(g.grad()) == Numbers{7, 7, 12});
}

TEST_CASE("the same by Winograd's F(2, 3), with four products") {
  const Tensor d = tensor({{1}, {3}, {2}, {5}}), g = tensor({{2}, {4}, {-2}}), dy = tensor({{1}, {2}});
  const Tensor B_T = tensor({{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}});

  const Tensor G = tensor({{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}});
  const Tensor A_T = tensor({{1, 1, 1, 0}, {0, 1, -1, 1}});
  const Tensor m = matmul(G, g) * matmul(B_T, d);
  const Tensor y = matmul(A_T, m);
  CHECK(numbers(m) == Numbers{-2, 10, 2, -4});
  CHECK(numbers(y) == Numbers{10, 4});

  // The gradient of the weights, F(3, 2): dy is the filter, and three numbers come out.
  const Tensor G2 = tensor({{1, 0}, {0.5, 0.5}, {0.5, -0.5}, {0, 1}});
  const Tensor A2_T = tensor({{1, 1, 1, 0}, {0, 1, -1, 0}, {0, 1, 1, 1}});
  const Tensor dg = matmul(A2_T, matmul(G2, dy) * matmul(B_T, d));
  CHECK(numbers(dg) == Numbers{7, 7, 12});

  // The gradient of the input: the line is dy with two zeros at either end, the filter is g from back to front.
  const Tensor flipped = tensor({{-2}, {4}, {2}});
  for (const auto& [line, dd] : {std::pair{tensor({{0}, {0}, {1}, {2}}), Numbers{2, 8}},
                                 std::pair{tensor({{1}, {2}, {0}, {0}}), Numbers{6, -4}}})
    CHECK(numbers(matmul(A_T, matmul(G, flipped) * matmul(B_T, line))) == dd);
}

TEST_CASE("the life of a gradient") {
  Tensor w = tensor({3, -1}).set_requires_grad();
  const Tensor x = tensor({1, 2});
  const Tensor loss = sum(square(w * x));
  CHECK(loss.item() == 13);
  loss.backward();
  CHECK(numbers(w.grad()) == Numbers{6, -8});
  CHECK_THROWS_AS(loss.backward(), Error);
}

TEST_CASE("what a graph saves, and when it is freed") {
  const Shape shape{1 << 18};  // 1 MiB of f32
  Tensor w = full(shape, 3).set_requires_grad();
  const Tensor x = full(shape, 2);
  Pool& pool = backend_of(Device::cpu).pool();
  const double before = mib();
  Tensor loss;
  {
    const Tensor product = w * x;
    CHECK(mib() == before + 1);
    loss = sum(square(product));
  }
  CHECK(mib() == before + 2);  // the node of the square has saved the product and the square
  pool.reset_peak();
  loss.backward();
  CHECK(std::round(static_cast<double>(pool.statistics().peak) / (1 << 20)) == before + 4);
  CHECK(mib() == before + 1);  // the gradient of w
}

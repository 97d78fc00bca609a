// The graph: the order of backward(), sums of gradients, freed tensors, NoGrad, and deep graphs.
#include "engine/autograd.h"

#include <cmath>

#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {
Tensor leaf(std::vector<double> list) {
  return from_vector({static_cast<std::int64_t>(list.size())}, list).set_requires_grad();
}
using Values = std::vector<double>;
}  // namespace

TEST_CASE("a tensor used twice receives both gradients") {
  Tensor x = leaf({3});
  Tensor y = x * x + x;  // the two factors and the summand
  sum(y).backward();
  CHECK(x.grad().to_vector<double>() == Values({7}));
}

TEST_CASE("a diamond is swept once per node, newest first") {
  Tensor x = leaf({2});
  int visits = 0;
  Tensor middle = record("counted", (x * 1.0).detach(), {{x, [&visits](const Tensor& dy) {
                                                            ++visits;
                                                            return dy;
                                                          }}});
  Tensor y = sum(square(middle) + exp(middle) + middle);
  y.backward();
  CHECK(visits == 1);
  CHECK(std::fabs(x.grad().item() - (4 + std::exp(2.0) + 1)) < 1e-12);
}

TEST_CASE("gradients of broadcast operands come back in their own shape") {
  Tensor x = from_vector<double>({2, 3}, {1, 2, 3, 4, 5, 6}).set_requires_grad();
  Tensor row = leaf({10, 20, 30});
  Tensor scalar = from_vector<double>({}, {2}).set_requires_grad();
  sum(x * row * scalar).backward();
  CHECK(row.grad().shape() == Shape({3}));
  CHECK(row.grad().to_vector<double>() == Values({10, 14, 18}));
  CHECK(scalar.grad().shape() == Shape());
  CHECK(scalar.grad().item() == 10 + 40 + 90 + 40 + 100 + 180);
  CHECK(x.grad().to_vector<double>() == Values({20, 40, 60, 20, 40, 60}));
}

TEST_CASE("leaves add up over sweeps, in their own buffer if they have one") {
  Tensor x = leaf({1, 2});
  const Tensor flat = zeros({5}, DType::f64);
  x.set_grad(flat.alias(1, {2}));
  sum(square(x)).backward();
  sum(x).backward();
  CHECK(flat.to_vector<double>() == Values({0, 3, 5, 0, 0}));
}

TEST_CASE("a gradient that two nodes share is not overwritten by later sums") {
  Tensor a = leaf({1}), b = leaf({1});
  Tensor both = a + b;             // add hands the same gradient to a and b
  sum(both + a * 3.0).backward();  // a receives a second gradient
  CHECK(a.grad().item() == 4);
  CHECK(b.grad().item() == 1);
}

TEST_CASE("saved tensors are freed while the sweep advances, and a second sweep is refused") {
  Tensor x = leaf({1, 2, 3});
  Tensor y = exp(x);
  const Tensor value = y.detach();
  Tensor z = sum(square(y));
  CHECK(!value.unique());
  z.backward();
  y = Tensor();
  CHECK(value.unique());  // the closures that held it are gone, although z still lives
  CHECK(test::contains(test::error_of([&] { z.backward(); }), "swept already"));
}

TEST_CASE("what needs no gradient records nothing") {
  Tensor x = leaf({1}), constant = from_vector<double>({1}, {5});
  CHECK(!(constant * 2.0).requires_grad());
  Tensor y = x * constant;
  CHECK(y.node()->edges.size() == 1);
  {
    const NoGrad guard;
    CHECK(!(x * 2.0).requires_grad());
    CHECK(!grad_enabled());
  }
  CHECK(grad_enabled());
  CHECK(!x.detach().requires_grad());
}

TEST_CASE("a chain of 200,000 nodes is swept and destroyed without recursion") {
  Tensor x = leaf({1});
  {
    Tensor y = x;
    for (int i = 0; i < 200000; ++i) y = affine(y, 1, 0);
    sum(y).backward();
    CHECK(x.grad().item() == 1);
  }
  {
    Tensor y = x;
    for (int i = 0; i < 200000; ++i) y = affine(y, 1, 0);  // destroyed without backward()
  }
  {
    Tensor y = x;
    for (int i = 0; i < 200000; ++i) y = y + y;  // both edges lead to the same node
  }
  CHECK(x.grad().item() == 1);
}

TEST_CASE("x += y gives the handle a new tensor: graphs and other handles keep the old one") {
  Tensor x = leaf({3});
  Tensor y = x * 2.0;
  const Tensor before = y;
  y += square(y);
  y *= 0.5;
  y -= x;
  y /= 2.0;
  CHECK(before.item() == 6);
  CHECK(y.item() == (0.5 * (6 + 36) - 3) / 2);
  sum(y).backward();
  CHECK(x.grad().item() == (0.5 * (2 + 8 * 3) - 1) / 2);
}

TEST_CASE("a gradient that is not there says why") {
  Tensor x = leaf({3});
  const Tensor y = exp(x);
  CHECK(!x.has_grad());
  CHECK(test::contains(test::error_of([&] { x.grad(); }), "none has arrived at this leaf\nhint: call backward()"));
  sum(y).backward();
  CHECK(x.has_grad());
  CHECK(test::contains(test::error_of([&] { y.grad(); }), "the result of exp, and leaves alone keep theirs"));
  CHECK(test::contains(test::error_of([] { zeros({1}).grad(); }),
                       "does not require one\nhint: call set_requires_grad()"));
}

TEST_CASE("an error during the sweep names the operation") {
  Tensor x = leaf({1, 2});
  const Tensor failing =
      record("flawed", x.detach(),
             {{x, [](const Tensor&) -> Tensor { throw Error(ErrorKind::data, "no idea", "try again"); }}});
  const Tensor wrong = record("bent", x.detach(), {{x, [](const Tensor&) { return zeros({3}, DType::f64); }}});
  CHECK(test::error_of([&] { sum(failing).backward(); }) == "backward of flawed: no idea\nhint: try again");
  CHECK(test::contains(test::error_of([&] { sum(wrong).backward(); }), "backward of bent: sum_to: [3]"));
}

TEST_CASE("a gradient of another shape, type or device than its tensor is refused") {
  Tensor x = zeros({2}).set_requires_grad();
  const Tensor y = x * 2;
  CHECK(test::contains(test::error_of([&] { y.backward(zeros({2}, DType::f64)); }),
                       "backward: the gradient is f64 [2] on cpu"));
  CHECK(test::contains(test::error_of([&] { y.backward(zeros({3})); }),
                       "the gradient is f32 [3] on cpu, the tensor is f32 [2]"));
  const Tensor scalar = sum(x);
  CHECK(test::contains(test::error_of([&] { scalar.backward(Tensor()); }), "the gradient is undefined tensor"));
  CHECK(
      test::contains(test::error_of([&] { x.set_grad(zeros({2}, DType::f64)); }), "set_grad: the gradient is f64 [2]"));
}

TEST_CASE("misuse is named") {
  CHECK(test::contains(test::error_of([] { leaf({1, 2}).backward(); }), "needs one number"));
  CHECK(test::contains(test::error_of([] { from_vector<double>({1}, {1}).backward(); }), "nothing was recorded"));
  CHECK(test::contains(test::error_of([] { zeros({2}, DType::u8).set_requires_grad(); }), "u8 [2]"));
  CHECK(test::contains(test::error_of([] { (leaf({1}) * 2.0).set_requires_grad(false); }), "only a leaf"));
  CHECK(test::contains(test::error_of([] { leaf({1}).set_grad(zeros({2}, DType::f64)); }), "f64 [2]"));
}

TEST_CASE("a backward pass that failed leaves no gradient behind in the nodes it did not reach") {
  Tensor x = leaf({3});
  const Tensor used = x * 2.0, kept = x * 5.0;
  sum(used).backward();
  const Tensor both =
      record("both", zeros({1}, DType::f64),
             {{kept, [](const Tensor& dy) { return dy; }}, {used, [](const Tensor& dy) { return dy; }}});
  CHECK(test::contains(test::error_of([&] { both.backward(); }), "backward of both: "));
  x.set_grad({});
  sum(kept).backward();
  CHECK(x.grad().to_vector<double>() == Values({5}));

  const Tensor other = x * 7.0;  // whatever was thrown
  const Tensor broken = record("broken", zeros({1}, DType::f64),
                               {{other, [](const Tensor& dy) { return dy; }},
                                {x * 2.0, [](const Tensor&) -> Tensor { throw std::runtime_error("mine"); }}});
  CHECK_THROWS_AS(broken.backward(), std::runtime_error);
  x.set_grad({});
  sum(other).backward();
  CHECK(x.grad().to_vector<double>() == Values({7}));
}

TEST_CASE("a leaf that is asked twice for its gradient is one leaf") {
  Tensor x = leaf({3});
  const Tensor buffer = zeros({1}, DType::f64), square = x * x;
  x.set_grad(buffer);
  x.set_requires_grad();
  square.backward();
  CHECK(buffer.to_vector<double>() == Values({6}));
  CHECK(x.grad().to_vector<double>() == Values({6}));
  x.set_requires_grad(false).set_requires_grad();
  CHECK(!x.has_grad());
}

TEST_CASE("an operation without a gradient for an input that requires one is refused") {
  Tensor x = leaf({1});
  CHECK(test::contains(test::error_of([&] {
                         record("mine", x.clone(), {{x, nullptr}});
                       }),
                       "mine: no gradient is given"));
  CHECK(!record("mine", zeros({1}), {{zeros({1}), nullptr}}).requires_grad());
}

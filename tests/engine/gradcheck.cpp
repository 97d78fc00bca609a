// The checker itself: it must pass what is right, fail what is wrong, and count kinks instead of hiding them.
#include "engine/gradcheck.h"

#include "engine/ops.h"
#include "tests/test.h"

using namespace voxgrad;

namespace {

Tensor values(std::vector<double> list) { return from_vector({static_cast<std::int64_t>(list.size())}, list); }

// x^3 with a derivative that is wrong by `factor`.
Tensor cube(const Tensor& x, double factor) {
  Tensor y;
  {
    const NoGrad guard;
    y = multiply(square(x), x);
  }
  return record("cube", y,
                {{x, [x = x.detach(), factor](const Tensor& dy) { return multiply(dy, square(x)) * (3 * factor); }}});
}

}  // namespace

TEST_CASE("a right derivative passes, one that is off by 1e-5 fails and is named") {
  const auto right = gradcheck([](const auto& in) { return cube(in[0], 1); }, {values({0.5, -1.5, 2})});
  CHECK(right.ok);
  CHECK(right.checked == 3);
  CHECK(right.worst < 1e-8);
  const auto wrong = gradcheck([](const auto& in) { return cube(in[0], 1 + 1e-5); }, {values({0.5, -1.5, 2})});
  CHECK(!wrong.ok);
  CHECK(test::contains(wrong.where, "input 0, element"));
}

TEST_CASE("a kink is counted, not compared, and nothing compared is a failure") {
  const auto mixed = gradcheck([](const auto& in) { return relu(in[0]); }, {values({-1, 0, 1})});
  CHECK(mixed.kinks == 1);
  CHECK(mixed.checked == 2);
  CHECK(mixed.ok);
  const auto nothing = gradcheck([](const auto& in) { return relu(in[0]); }, {values({0})});
  CHECK(nothing.checked == 0);
  CHECK(!nothing.ok);
}

TEST_CASE("a NaN gradient fails") {
  const auto result = gradcheck([](const auto& in) { return sqrt(in[0]) * 0.0 + log(in[0] * 0.0); }, {values({1})});
  CHECK(!result.ok);
  // The NaN of the first element stays, whatever the others are.
  const auto first = gradcheck([](const auto& in) { return sqrt(in[0] - 1.0) * 0.0 + in[0]; }, {values({0.5, 3, 4})});
  CHECK(!first.ok);
}

TEST_CASE("f32 inputs and unused inputs are refused") {
  CHECK(test::contains(
      test::error_of([] { gradcheck([](const auto& in) { return exp(in[0]); }, {zeros({2}, DType::f32)}); }),
      "f64 is needed"));
  CHECK(test::contains(test::error_of([] {
                         gradcheck([](const auto& in) { return exp(in[0]); }, {values({1}), values({2})});
                       }),
                       "does not depend on input 1"));
}

TEST_CASE("the caller's tensor is left as it was") {
  const Tensor x = values({0.25, 0.75});
  gradcheck([](const auto& in) { return exp(in[0]); }, {x});
  CHECK(x.to_vector<double>() == std::vector<double>({0.25, 0.75}));
  CHECK(!x.requires_grad());
}

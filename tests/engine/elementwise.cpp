// Elementwise kernels, casts and boxes against plain loops.
#include "tests/test.h"

#include <cmath>
#include <limits>
#include <tuple>

#include "engine/functors.h"
#include "engine/ops.h"
#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct UnaryCase {
  UnaryOp op;
  const char* name;
  double (*value)(double a, double b, double x);
  double (*slope)(double a, double b, double x, double y);
};
const UnaryCase kUnary[] = {
#define VOXGRAD_ROW(name, ...)                                \
  {UnaryOp::name, #name,                                      \
   [](double a, double b, double x) {                         \
     return functors::unary_##name<double>{a, b}.value(x);    \
   },                                                         \
   [](double a, double b, double x, double y) {               \
     return functors::unary_##name<double>{a, b}.slope(x, y); \
   }},
    VOXGRAD_UNARY_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
};

struct BinaryCase {
  BinaryOp op;
  const char* name;
  double (*value)(double, double);
  double (*slope[2])(double, double);
};
const BinaryCase kBinary[] = {
#define VOXGRAD_ROW(name, ...)             \
  {BinaryOp::name,                         \
   #name,                                  \
   functors::binary_##name<double>::value, \
   {functors::binary_##name<double>::slope_p, functors::binary_##name<double>::slope_q}},
    VOXGRAD_BINARY_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
};

// Two shapes that broadcast: axes dropped from one of them, or set to extent 1.
struct Pair {
  Shape p, q, y;
  explicit Pair(Random& random) {
    const Shape whole = odd_shape(random);
    p = part(whole, random);
    q = part(whole, random);
    (random.chance(0.5) ? p : q) = whole;
    if (random.chance(0.2)) p = q = Shape{1};  // y is larger than both operands
    y = whole;
  }
  static Shape part(const Shape& whole, Random& random) {
    const int dropped = random.chance(0.3) ? static_cast<int>(random.below(whole.dims())) : 0;
    Shape shape;
    for (int axis = dropped; axis < whole.dims(); ++axis) shape.push_back(random.chance(0.3) ? 1 : whole[axis]);
    return shape;
  }
};

}  // namespace

TEST_CASE("every unary operation and its gradient equals its formula, for odd sizes") {
  Random random(1);
  for (const UnaryCase& one : kUnary)
    for (int i = 0; i < 12; ++i) {
      const DType dtype = float_type(random);
      const Shape shape{1 + random.below(3), 1 + random.below(i == 0 ? 30000 : 90), 1 + random.below(3)};
      const double a = random.uniform(0.2, 2), b = random.uniform(2, 3);
      const Tensor x = empty(shape, dtype), dy = noise(shape, dtype, random);
      cpu_backend().random(Distribution::uniform, random.bits64(), 0.05, 3.0, x);  // within every domain
      const Tensor y = empty_like(x), dx = empty_like(x);
      cpu_backend().unary(one.op, a, b, x, y);
      cpu_backend().unary_gradient(one.op, a, b, x, y, dy, dx);
      const std::vector<double> in = values(x), out = values(y), upstream = values(dy);
      const double fa = dtype == DType::f32 ? static_cast<double>(static_cast<float>(a)) : a;
      const double fb = dtype == DType::f32 ? static_cast<double>(static_cast<float>(b)) : b;
      std::vector<double> expected(in.size()), slope(in.size());
      for (std::size_t k = 0; k < in.size(); ++k) {
        expected[k] = one.value(fa, fb, in[k]);
        slope[k] = upstream[k] * one.slope(fa, fb, in[k], expected[k]);
      }
      const double allowed = 5 * tolerance(dtype);
      CHECK_MESSAGE(difference(out, expected) < allowed, one.name << " of " << x);
      CHECK_MESSAGE(difference(values(dx), slope) < 4 * allowed, "gradient of " << one.name << " of " << x);
    }
}

TEST_CASE("an operation may write over its input") {
  Random random(2);
  const Tensor x = noise({3, 41, 5}, DType::f32, random), y = x.clone(), z = empty_like(x);
  cpu_backend().unary(UnaryOp::square, 0, 0, x, z);
  cpu_backend().unary(UnaryOp::square, 0, 0, y, y);
  CHECK(same_bits(y, z));
  const Tensor q = noise({5}, DType::f32, random), p = x.clone();
  cpu_backend().binary(BinaryOp::subtract, x, q, z);
  cpu_backend().binary(BinaryOp::subtract, p, q, p);
  CHECK(same_bits(p, z));
}

TEST_CASE("every binary operation broadcasts as plain index arithmetic does, with both gradients") {
  Random random(3);
  for (int i = 0; i < 400; ++i) {
    const BinaryCase& one = kBinary[random.below(static_cast<std::int64_t>(std::size(kBinary)))];
    const DType dtype = float_type(random);
    const Pair shapes(random);
    const Tensor p = noise(shapes.p, dtype, random, 3, 0.5), q = noise(shapes.q, dtype, random, 3, 0.5);
    const Shape& whole = shapes.y;
    const Tensor y = empty(whole, dtype), dy = noise(whole, dtype, random);
    const Tensor d[2] = {empty(whole, dtype), empty(whole, dtype)};
    cpu_backend().binary(one.op, p, q, y);
    for (const int side : {0, 1}) cpu_backend().binary_gradient(one.op, side, p, q, dy, d[side]);
    const std::vector<double> left = values(p), right = values(q), upstream = values(dy);
    std::vector<double> expected(static_cast<std::size_t>(whole.numel())), slope[2] = {expected, expected};
    for (std::int64_t k = 0; k < whole.numel(); ++k) {
      const auto index = index_of(whole, k);
      const double a = nth(left, element_at(shapes.p, index));
      const double b = nth(right, element_at(shapes.q, index));
      const auto at = static_cast<std::size_t>(k);
      expected[at] = one.value(a, b);
      for (const int side : {0, 1}) slope[side][at] = upstream[at] * one.slope[side](a, b);
    }
    CHECK_MESSAGE(difference(values(y), expected) < tolerance(dtype), one.name << ' ' << p << ", " << q);
    for (const int side : {0, 1})
      CHECK_MESSAGE(difference(values(d[side]), slope[side]) < 2 * tolerance(dtype),
                    "gradient " << side << " of " << one.name << ' ' << p << ", " << q);
  }
}

TEST_CASE("scalars without axes and empty tensors") {
  const Tensor p = full({}, 2, DType::f64), q = full({}, 5, DType::f64), y = empty({}, DType::f64);
  cpu_backend().binary(BinaryOp::multiply, p, q, y);
  CHECK(y.item() == 10);
  const Tensor none = empty({2, 0, 3}), row = full({3}, 1), result = empty({2, 0, 3});
  cpu_backend().binary(BinaryOp::add, none, row, result);
  cpu_backend().unary(UnaryOp::exp, 0, 0, none, result);
  CHECK(result.numel() == 0);
}

TEST_CASE("the gradient of a division is finite where the derivative is") {
  for (const auto& [p, q, expected] : {std::tuple{0.0, 1e-25, 0.0}, {1e-25, 1e-25, -1e25}, {1e20, 1e20, -1e-20}}) {
    const Tensor a = full({1}, p), b = full({1}, q).set_requires_grad();
    (a / b).backward();
    CHECK(std::fabs(b.grad().item() - expected) <= 1e-6 * std::fabs(expected));
  }
}

TEST_CASE("a NaN passes through sums, products and roots") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = from_vector<float>({3}, {1, static_cast<float>(nan), 4}), y = empty_like(x), one = full({1}, 1);
  for (const BinaryOp op : {BinaryOp::add, BinaryOp::subtract, BinaryOp::multiply, BinaryOp::divide}) {
    cpu_backend().binary(op, x, one, y);
    CHECK(std::isnan(y.to_vector<double>()[1]));
  }
  cpu_backend().unary(UnaryOp::sqrt, 0, 0, x, y);
  CHECK(std::isnan(y.to_vector<double>()[1]));
  CHECK(y.to_vector<double>()[2] == 2);
}

TEST_CASE("elementwise results do not depend on the number of threads") {
  Random random(4);
  const Tensor x = noise({2, 90, 91, 7}, DType::f32, random), q = noise({2, 1, 1, 7}, DType::f32, random);
  CHECK(same_for_threads([&] {
    const Tensor a = empty_like(x), b = empty_like(x);
    cpu_backend().unary(UnaryOp::softplus, 0, 0, x, a);
    cpu_backend().binary(BinaryOp::divide, x, q, b);
    return std::vector<Tensor>{a, b};
  }));
}

TEST_CASE("casts round, truncate and saturate") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = from_vector<double>({8}, {1.9, -1.9, 300, -300, nan, 3e9, -3e9, 255});
  CHECK(x.to(DType::u8).to_vector<int>() == std::vector<int>{1, 0, 255, 0, 0, 255, 0, 255});
  CHECK(x.to(DType::i32).to_vector<int>() == std::vector<int>{1, -1, 300, -300, 0, 2147483647, -2147483647 - 1, 255});
  const Tensor labels = from_vector<std::uint8_t>({4}, {0, 1, 254, 255});
  for (const DType dtype : {DType::f32, DType::f64, DType::i32, DType::bf16})
    CHECK(labels.to(dtype).to(DType::f64).to_vector<int>() == labels.to_vector<int>());
  // bf16 keeps 8 bits: ties go to the even neighbour; NaN and infinity survive.
  const Tensor y = from_vector<float>(
      {6}, {1.00390625f, 1.01171875f, -3.0f, INFINITY, static_cast<float>(nan), 3.3895313892515355e38f});
  const std::vector<double> back = y.to(DType::bf16).to(DType::f32).to_vector<double>();
  CHECK(back[0] == 1.0);
  CHECK(back[1] == 1.015625);
  CHECK(back[2] == -3.0);
  CHECK(std::isinf(back[3]));
  CHECK(std::isnan(back[4]));
  CHECK(back[5] == 3.3895313892515355e38);
  const Tensor half = empty({2}, DType::bf16);
  cpu_backend().fill(half, 0.5);
  CHECK(half.to(DType::f32).to_vector<double>() == std::vector<double>{0.5, 0.5});
}

TEST_CASE("boxes of every type land where plain index arithmetic puts them") {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    const bool add = random.chance(0.5);
    const DType dtype = add ? float_type(random) : random.chance(0.5) ? DType::u8 : DType::f32;
    Shape from, to, from_begin, to_begin, extents;
    const std::int64_t dims = 1 + random.below(6);
    for (std::int64_t axis = 0; axis < dims; ++axis) {
      const std::int64_t extent = random.below(12) == 0 ? 0 : 1 + random.below(5);
      const bool whole = random.chance(0.5);
      extents.push_back(extent);
      for (auto [shape, begin] : {std::pair{&from, &from_begin}, std::pair{&to, &to_begin}}) {
        const std::int64_t before = whole ? 0 : random.below(3), after = whole ? 0 : random.below(3);
        begin->push_back(before);
        shape->push_back(before + extent + after);
      }
    }
    const Tensor x = noise(from, DType::f64, random, 100, 30).to(dtype);
    const Tensor y = noise(to, DType::f64, random, 100, 30).to(dtype);
    std::vector<double> expected = values(y);
    const std::vector<double> source = values(x);
    for (std::int64_t k = 0; k < extents.numel(); ++k) {
      auto a = index_of(extents, k), b = a;
      for (std::size_t axis = 0; axis < a.size(); ++axis) {
        a[axis] += from_begin[static_cast<int>(axis)];
        b[axis] += to_begin[static_cast<int>(axis)];
      }
      double& target = nth(expected, element_at(to, b));
      target = (add ? target : 0) + nth(source, element_at(from, a));
    }
    cpu_backend().copy_box(x, from_begin, y, to_begin, extents, add);
    CHECK_MESSAGE(difference(values(y), expected) < tolerance(DType::f32), x << " onto " << y << ", box " << extents);
  }
}

TEST_CASE("copies of many bytes are complete") {
  Random random(6);
  for (const std::int64_t n : {1, 63, 262144, 262145, 3000001}) {
    const Tensor x = empty({n}, DType::u8);
    for (std::int64_t i = 0; i < n; ++i) x.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 7);
    CHECK(same_bits(x, x.clone()));
  }
}

TEST_CASE("cast carries the gradient back in the type it came in") {
  Tensor x = from_vector<float>({2}, {1, 2});
  x.set_requires_grad();
  const Tensor y = cast(x, DType::f64);
  CHECK(y.dtype() == DType::f64);
  sum(square(y)).backward();
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(x.grad().to_vector<int>() == std::vector<int>{2, 4});
  CHECK_THROWS_AS(cast(x, DType::u8), Error);
}

TEST_CASE("no operation hides NaN") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = full({70}, nan, dtype), one = full({70}, 1, dtype);
    for (const Tensor& y : {relu(x), leaky_relu(x), safe_pow(x, 0.5), clamp(x, -1, 1), softplus(x), sigmoid(x), abs(x),
                            log_cosh(x), minimum(x, one), minimum(one, x), maximum(x, one), maximum(one, x)})
      for (double value : y.to_vector<double>()) CHECK(std::isnan(value));
  }
}

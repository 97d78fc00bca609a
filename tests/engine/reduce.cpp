// Reductions, argmax and softmax against plain loops.
#include "tests/test.h"

#include <bit>
#include <limits>

#include "engine/ops.h"
#include "tests/engine/kernel_cases.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Shape reduced_shape(const Shape& shape, Random& random) {
  Shape result = shape;
  for (int axis = 0; axis < shape.dims(); ++axis)
    if (random.chance(0.5)) result[axis] = 1;
  return result;
}

std::vector<double> naive_reduce(ReduceOp op, const Tensor& x, const Shape& to) {
  const double start = op == ReduceOp::sum ? 0 : op == ReduceOp::max ? -INFINITY : INFINITY;
  std::vector<double> result(static_cast<std::size_t>(to.numel()), start);
  const std::vector<double> in = values(x);
  for (std::int64_t k = 0; k < x.numel(); ++k) {
    double& r = result[static_cast<std::size_t>(element_at(to, index_of(x.shape(), k)))];
    const double v = nth(in, k);
    if (op == ReduceOp::sum)
      r += v;
    else if (std::isnan(v) || (op == ReduceOp::max ? v > r : v < r))
      r = v;
  }
  return result;
}

}  // namespace

TEST_CASE("sums, maxima and minima over every set of axes equal plain loops") {
  Random random(11);
  for (int i = 0; i < 500; ++i) {
    const ReduceOp op = static_cast<ReduceOp>(random.below(3));
    Shape shape = odd_shape(random);
    if (i % 5 == 0)
      shape = {1 + random.below(4), 1 + random.below(4), 1 + random.below(4),
               1 + random.below(4), 1 + random.below(4), 1 + random.below(4)};
    const Tensor x = noise(shape, float_type(random), random);
    const Tensor y = empty(reduced_shape(shape, random), x.dtype());
    cpu_backend().reduce(op, x, y);
    CHECK_MESSAGE(difference(values(y), naive_reduce(op, x, y.shape())) < tolerance(x.dtype()),
                  "reduction " << static_cast<int>(op) << ' ' << x << " to " << y);
  }
}

TEST_CASE("a sum of many f32 numbers keeps its digits") {
  const std::int64_t n = 3000001;
  const Tensor x = full({n}, 0.1), y = empty({1});
  cpu_backend().reduce(ReduceOp::sum, x, y);
  CHECK(std::fabs(y.item() / (0.1f * static_cast<double>(n)) - 1) < 1e-7);
}

TEST_CASE("reductions, bias gradients and norms do not depend on the number of threads") {
  Random random(12);
  for (const Shape& shape : {Shape{1, 300, 301, 3}, Shape{3, 20, 41, 43, 2}, Shape{2, 70, 70, 33}, Shape{7, 9000}}) {
    const Tensor x = noise(shape, DType::f32, random);
    CHECK(same_for_threads([&] {
      const Tensor all = empty(Shape::filled(shape.dims(), 1)), bias = empty({shape[-1]}),
                   squares = empty({1}, DType::f64);
      Shape rows = shape, columns = Shape::filled(shape.dims(), 1);
      rows[-1] = 1;
      columns[-1] = shape[-1];
      const Tensor by_row = empty(rows), by_column = empty(columns);
      cpu_backend().reduce(ReduceOp::sum, x, all);
      cpu_backend().reduce(ReduceOp::sum, x, by_row);
      cpu_backend().reduce(ReduceOp::sum, x, by_column);
      cpu_backend().bias_gradient(x, bias);
      squares.data<double>()[0] = cpu_backend().sum_of_squares(x);
      return std::vector<Tensor>{all, by_row, by_column, bias, squares};
    }));
  }
}

TEST_CASE("a NaN in any position survives every reduction") {
  Random random(13);
  for (int i = 0; i < 60; ++i) {
    const Tensor x = noise(odd_shape(random), DType::f32, random);
    const std::int64_t at = random.below(x.numel());
    x.data<float>()[at] = static_cast<float>(kNan);
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
      const Tensor y = empty(reduced_shape(x.shape(), random));
      cpu_backend().reduce(op, x, y);
      CHECK(std::isnan(values(y)[static_cast<std::size_t>(element_at(y.shape(), index_of(x.shape(), at)))]));
    }
    CHECK(std::isnan(cpu_backend().sum_of_squares(x)));
  }
}

TEST_CASE("sum of squares: value, infinity, nothing") {
  Random random(14);
  for (const std::int64_t n : {1, 7, 8, 32768, 100003}) {
    const Tensor x = noise({n}, DType::f32, random);
    double expected = 0;
    for (const double v : values(x)) expected += v * v;
    CHECK(std::fabs(cpu_backend().sum_of_squares(x) / expected - 1) < 1e-12);
    x.data<float>()[n / 2] = INFINITY;
    CHECK(std::isinf(cpu_backend().sum_of_squares(x)));
  }
  CHECK(cpu_backend().sum_of_squares(empty({0})) == 0);
  CHECK(cpu_backend().sum_of_squares(full({2}, 1e30)) == 2 * std::pow(static_cast<double>(1e30f), 2));  // no overflow
}

TEST_CASE("reductions of nothing give the neutral element") {
  const Tensor x = empty({2, 0, 3}), y = empty({2, 1, 3});
  cpu_backend().reduce(ReduceOp::sum, x, y);
  CHECK(values(y) == std::vector<double>(6, 0.0));
  cpu_backend().reduce(ReduceOp::max, x, y);
  CHECK(values(y)[5] == -INFINITY);
  const Tensor bias = full({3}, 7);
  cpu_backend().bias_gradient(x, bias);
  CHECK(values(bias) == std::vector<double>(3, 0.0));
}

TEST_CASE("the gradient of a bias is the sum over all but the channel") {
  Random random(15);
  for (int i = 0; i < 100; ++i) {
    const Tensor dy = noise(odd_shape(random), float_type(random), random);
    const Tensor dbias = empty({dy.extent(-1)}, dy.dtype());
    cpu_backend().bias_gradient(dy, dbias);
    Shape to = Shape::filled(dy.dims(), 1);
    to[-1] = dy.extent(-1);
    CHECK(difference(values(dbias), naive_reduce(ReduceOp::sum, dy, to)) < tolerance(dy.dtype()));
  }
}

TEST_CASE("argmax takes the first of equal maxima, and a NaN") {
  Random random(16);
  for (int i = 0; i < 100; ++i) {
    Shape shape = odd_shape(random);
    const Tensor x = empty(shape, float_type(random));
    dispatch_float(x.dtype(), "test", [&]<class T>(T) {
      for (std::int64_t k = 0; k < x.numel(); ++k) x.data<T>()[k] = static_cast<T>(random.below(4));  // many ties
    });
    Shape rows;
    for (int axis = 0; axis + 1 < shape.dims(); ++axis) rows.push_back(shape[axis]);
    const Tensor y = empty(rows, DType::u8);
    cpu_backend().argmax(x, y);
    const std::vector<double> in = values(x);
    std::vector<int> expected;
    for (std::int64_t r = 0; r < y.numel(); ++r) {
      const auto row = in.begin() + r * shape[-1];
      expected.push_back(static_cast<int>(std::max_element(row, row + shape[-1]) - row));
    }
    CHECK(y.to_vector<int>() == expected);
  }
  const Tensor x = from_vector<float>({2, 3}, {1, static_cast<float>(kNan), 5, static_cast<float>(kNan), 9, 9});
  const Tensor y = empty({2}, DType::u8);
  cpu_backend().argmax(x, y);
  CHECK(y.to_vector<int>() == std::vector<int>{1, 0});
}

TEST_CASE("the largest label leaves out the ignored one") {
  const Tensor labels = empty({100003}, DType::u8);
  cpu_backend().fill(labels, 3);
  labels.data<std::uint8_t>()[77777] = 9;
  labels.data<std::uint8_t>()[100002] = 255;
  CHECK(cpu_backend().largest_label(labels, -1) == 255);
  CHECK(cpu_backend().largest_label(labels, 255) == 9);
  CHECK(cpu_backend().largest_label(full({5}, 2, DType::u8), 2) == -1);
  CHECK(cpu_backend().largest_label(empty({0}, DType::u8), -1) == -1);
}

TEST_CASE("softmax and log_softmax of rows, with gradients") {
  Random random(17);
  for (int i = 0; i < 200; ++i) {
    const Tensor x = noise(odd_shape(random), float_type(random), random, 0, 5);
    const Tensor dy = noise(x.shape(), x.dtype(), random), y = empty_like(x), dx = empty_like(x);
    const bool logarithm = random.chance(0.5);
    cpu_backend().softmax(logarithm, x, y);
    cpu_backend().softmax_gradient(logarithm, y, dy, dx);
    const std::vector<double> in = values(x), upstream = values(dy), out = values(y);
    std::vector<double> expected(in.size()), gradient(in.size());
    const auto c = static_cast<std::size_t>(x.extent(-1));
    for (std::size_t row = 0; row < in.size(); row += c) {
      double sum = 0, weighted = 0;
      const double largest = *std::max_element(&in[row], &in[row] + c);
      for (std::size_t k = row; k < row + c; ++k) sum += std::exp(in[k] - largest);
      for (std::size_t k = row; k < row + c; ++k) {
        expected[k] = logarithm ? in[k] - largest - std::log(sum) : std::exp(in[k] - largest) / sum;
        weighted += logarithm ? upstream[k] : upstream[k] * out[k];
      }
      for (std::size_t k = row; k < row + c; ++k)
        gradient[k] = logarithm ? upstream[k] - std::exp(out[k]) * weighted : out[k] * (upstream[k] - weighted);
    }
    CHECK_MESSAGE(difference(out, expected) < tolerance(x.dtype()), "softmax " << logarithm << ' ' << x);
    CHECK_MESSAGE(difference(values(dx), gradient) < 4 * tolerance(x.dtype()), "gradient " << logarithm << ' ' << x);
  }
}

TEST_CASE("softmax of extreme logits: shares stay in order, nothing overflows, a NaN stays in its row") {
  const float inf = INFINITY, nan = std::bit_cast<float>(0x7FFFFFFFu);  // as cards make them: all low bits are set
  const Tensor x = from_vector<float>({5, 3}, {1e4f, -1e4f, 0, 3e38f, -3e38f, 3e38f, -inf, 0, 0, nan, 0, 0, 0, 0, nan});
  const Tensor y = empty_like(x), z = empty_like(x);
  cpu_backend().softmax(false, x, y);
  cpu_backend().softmax(true, x, z);
  const std::vector<double> p = values(y), l = values(z);
  CHECK(std::vector<double>(p.begin(), p.begin() + 9) == std::vector<double>{1, 0, 0, 0.5, 0, 0.5, 0, 0.5, 0.5});
  CHECK(l[0] == 0);
  CHECK(l[1] == -2e4);
  CHECK(l[6] == -INFINITY);
  for (std::size_t i = 9; i < 15; ++i) CHECK(std::isnan(p[i]));
  for (std::size_t i = 9; i < 15; ++i) CHECK(std::isnan(l[i]));
  const Tensor one = full({4, 1}, 7), ones = empty({4, 1});
  cpu_backend().softmax(false, one, ones);
  CHECK(values(ones) == std::vector<double>(4, 1.0));
}

TEST_CASE("softmax of one long row takes a few times its memory, and is right") {
  constexpr std::int64_t kChannels = 1'000'000;
  const Tensor x = random_normal({1, kChannels}, 4);
  Pool& pool = cpu_backend().pool();
  pool.reset_peak();
  const std::size_t before = pool.statistics().in_use;
  const Tensor y = softmax(x);
  CHECK(pool.statistics().peak - before < 20 * x.bytes());  // a vector of rows, and the result
  CHECK(std::fabs(sum(y.to(DType::f64)).item() - 1) < 1e-4);
  CHECK(allclose(y, exp(x - max(x)) / sum(exp(x - max(x)))));
  // Terms that a single sum would round, all in the same direction.
  const Tensor small = full({1, kChannels}, -4.6051702);
  small.data<float>()[0] = 0;
  const Tensor shares = softmax(small), logs = log_softmax(small);
  CHECK(std::fabs(sum(shares.to(DType::f64)).item() - 1) < 1e-4);
  CHECK(std::fabs(sum(exp(logs.to(DType::f64))).item() - 1) < 1e-4);
}

TEST_CASE("softmax does not depend on the number of threads") {
  Random random(18);
  for (const std::int64_t c : {2, 5, 37}) {
    const Tensor x = noise({2, 101, 103, c}, DType::f32, random);
    CHECK(same_for_threads([&] {
      const Tensor y = empty_like(x), dx = empty_like(x);
      cpu_backend().softmax(false, x, y);
      cpu_backend().softmax_gradient(false, y, x, dx);
      return std::vector<Tensor>{y, dx};
    }));
  }
}

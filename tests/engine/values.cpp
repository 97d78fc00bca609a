// The value of every operation is compared with plain loops, for generated shapes and options: single voxels, batches
// of one, 1 to 70 channels. A row of the table is an operation: it draws a random case and says what must come out. The
// derivatives are in gradients.cpp, the layers of networks in values_of_layers.cpp; the kernels alone, over larger
// shapes, have tests that are named after them.
#include <algorithm>
#include <numeric>

#include "tests/engine/value_rows.h"

namespace {

using namespace voxgrad;
using namespace voxgrad::test;

ValueRow unary_row(const char* name, Tensor (*f)(const Tensor&), double (*definition)(double), double low,
                   double high) {
  return {name, [=](Random& random, DType dtype) {
            const Tensor x = uniform(random, draw_map_shape(random), low, high, dtype);
            List expected = values(x);
            for (double& value : expected) value = definition(value);
            return Compared{f(x), x.shape(), expected};
          }};
}

ValueRow binary_row(const char* name, Tensor (*f)(const Tensor&, const Tensor&), double (*definition)(double, double)) {
  return {name, [=](Random& random, DType dtype) {
            const Shape whole = draw_map_shape(random);
            Shape part;
            for (int i = static_cast<int>(random.below(whole.dims() + 1)); i < whole.dims(); ++i)
              part.push_back(random.chance(0.4) ? 1 : whole[i]);
            const bool first = random.chance(0.5);
            const Tensor p = uniform(random, first ? whole : part, 0.3, 2, dtype);
            const Tensor q = uniform(random, first ? part : whole, 0.3, 2, dtype);
            const List a = values(p), b = values(q);
            return Compared{f(p, q), whole, by_index(whole, [&](const Index& at) {
                              return definition(nth(a, element_at(p.shape(), at)), nth(b, element_at(q.shape(), at)));
                            })};
          }};
}

ValueRow reduction_row(const char* name, Tensor (*f)(const Tensor&, std::vector<int>, bool),
                       double (*fold)(double, double), double start, bool average) {
  return {name, [=](Random& random, DType dtype) {
            const Shape shape = draw_map_shape(random);
            const Tensor x = normal(random, shape, dtype);
            std::vector<int> axes;
            Shape kept = shape, dropped;
            for (int i = 0; i < shape.dims(); ++i)
              if (random.chance(0.5)) {
                axes.push_back(random.chance(0.5) ? i : i - shape.dims());
                kept[i] = 1;
              } else {
                dropped.push_back(shape[i]);
              }
            if (axes.empty()) kept = Shape::filled(shape.dims(), 1), dropped = {};
            List expected(static_cast<std::size_t>(kept.numel()), start);
            const List in = values(x);
            for (std::int64_t k = 0; k < shape.numel(); ++k) {
              double& value = nth(expected, element_at(kept, index_of(shape, k)));
              value = fold(value, nth(in, k));
            }
            for (double& value : expected)
              value *= average ? static_cast<double>(kept.numel()) / static_cast<double>(shape.numel()) : 1;
            const bool keep = random.chance(0.5);
            return Compared{f(x, axes, keep), keep ? kept : dropped, expected};
          }};
}

Compared draw_sum_to(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  Shape to;
  for (int i = static_cast<int>(random.below(shape.dims() + 1)); i < shape.dims(); ++i)
    to.push_back(random.chance(0.4) ? 1 : shape[i]);
  const Tensor x = integers(random, shape, 9, dtype);
  List expected(static_cast<std::size_t>(to.numel()));
  const List in = values(x);
  for (std::int64_t k = 0; k < shape.numel(); ++k) nth(expected, element_at(to, index_of(shape, k))) += nth(in, k);
  return {sum_to(x, to), to, expected, true};
}

Compared draw_slice_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  const int axis = static_cast<int>(random.below(shape.dims()));
  const std::int64_t begin = random.below(shape[axis]), end = between(random, begin, shape[axis]);
  const Tensor x = normal(random, shape, dtype);
  const List in = values(x);
  const Shape to = shape.with(axis, end - begin);
  return {slice(x, random.chance(0.5) ? axis : axis - shape.dims(), begin, end), to,
          by_index(to,
                   [&](Index at) {
                     nth(at, axis) += begin;
                     std::int64_t from = 0;  // element_at would broadcast
                     for (int i = 0; i < shape.dims(); ++i) from = from * shape[i] + nth(at, i);
                     return nth(in, from);
                   }),
          true};
}

Compared draw_concat_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  const int axis = static_cast<int>(random.below(shape.dims()));
  std::vector<Tensor> parts;
  List expected;
  std::int64_t total = 0;
  for (std::int64_t i = between(random, 1, 3); i > 0; --i) {
    parts.push_back(normal(random, shape.with(axis, between(random, 0, 3)), dtype));
    total += parts.back().extent(axis);
  }
  const std::int64_t before =
      std::accumulate(shape.begin(), shape.begin() + axis, std::int64_t{1}, std::multiplies<>());
  for (std::int64_t row = 0; row < before; ++row)  // of each part the piece below one index of the axes before
    for (const Tensor& part : parts) {
      const List in = values(part);
      const std::int64_t width = part.numel() / before;
      expected.insert(expected.end(), in.begin() + row * width, in.begin() + (row + 1) * width);
    }
  return {concat(parts, random.chance(0.5) ? axis : axis - shape.dims()), shape.with(axis, total), expected, true};
}

Compared draw_permute_value(Random& random, DType dtype) {
  const Shape shape = draw_map_shape(random);
  const Tensor x = normal(random, shape, dtype);
  std::vector<int> axes(static_cast<std::size_t>(shape.dims()));
  std::iota(axes.begin(), axes.end(), 0);
  const bool two = random.chance(0.3);
  if (two)
    std::swap(axes[0], axes.back());
  else
    random.shuffle(axes);
  Shape to = shape;
  for (int i = 0; i < shape.dims(); ++i) to[i] = shape[nth(axes, i)];
  const List in = values(x);
  return {two ? transpose(x, 0, -1) : permute(x, axes), to,
          by_index(to,
                   [&](const Index& at) {
                     Index from = at;
                     for (std::size_t i = 0; i < axes.size(); ++i) from[static_cast<std::size_t>(axes[i])] = at[i];
                     return nth(in, element_at(shape, from));
                   }),
          true};
}

Compared draw_lookup_value(Random& random, DType dtype) {
  const Shape labels_shape = draw_map_shape(random).without(-1);
  const std::int64_t known = between(random, 1, 5), width = between(random, 1, 5);
  const Tensor table = normal(random, {known, width}),
               labels = integers(random, labels_shape, 6, DType::f64).to(DType::u8);
  const List of = values(table);
  List expected;
  for (const double label : values(labels))
    for (std::int64_t k = 0; k < width; ++k)
      expected.push_back(label < static_cast<double>(known) ? nth(of, static_cast<std::int64_t>(label) * width + k)
                                                            : 0);
  return {lookup(table, labels, dtype), labels_shape + Shape{width}, expected};
}

Compared draw_largest_value(Random& random, DType dtype) {
  const Tensor x = integers(random, draw_map_shape(random), 20, dtype);
  const std::int64_t count = random.below(x.numel() + 1);
  const List in = values(x);
  std::vector<std::size_t> order(in.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return in[a] > in[b]; });
  List expected(in.size());
  for (std::int64_t k = 0; k < count; ++k) expected[nth(order, k)] = 1;
  return {select_largest(x, count), x.shape(), expected, true};
}

Compared draw_softmax_value(Random& random, DType dtype, bool logarithm) {
  const Tensor x = uniform(random, draw_map_shape(random), -9, 9, dtype);
  const Shape rows = x.shape().with(-1, 1);
  List sums(static_cast<std::size_t>(rows.numel()));
  const List in = values(x);
  const std::int64_t width = x.extent(-1);
  for (std::int64_t k = 0; k < x.numel(); ++k) nth(sums, k / width) += std::exp(nth(in, k));
  List expected;
  for (std::int64_t k = 0; k < x.numel(); ++k)
    expected.push_back(logarithm ? nth(in, k) - std::log(nth(sums, k / width))
                                 : std::exp(nth(in, k)) / nth(sums, k / width));
  return {logarithm ? log_softmax(x) : softmax(x), x.shape(), expected};
}

Compared draw_argmax_value(Random& random, DType dtype) {
  const Tensor x = integers(random, draw_map_shape(random), 3, dtype);
  const List in = values(x);
  List expected;
  const std::int64_t width = x.extent(-1);
  for (std::int64_t row = 0; row < x.numel(); row += width)
    expected.push_back(
        static_cast<double>(std::max_element(in.begin() + row, in.begin() + row + width) - in.begin() - row));
  return {argmax(x), x.shape().without(-1), expected, true};
}

double larger(double a, double b) { return std::max(a, b); }
double smaller(double a, double b) { return std::min(a, b); }
double plus(double a, double b) { return a + b; }
double squashed(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<ValueRow> operation_rows() {
  return {
      unary_row("exp", exp, std::exp, -3, 3),
      unary_row("log", log, std::log, 0.1, 5),
      unary_row("log1p", log1p, std::log1p, -0.8, 5),
      unary_row("sqrt", sqrt, std::sqrt, 0, 5),
      unary_row(
          "square", square, [](double x) { return x * x; }, -3, 3),
      unary_row("abs", abs, std::fabs, -3, 3),
      unary_row(
          "reciprocal", reciprocal, [](double x) { return 1 / x; }, 0.2, 3),
      unary_row("sigmoid", sigmoid, squashed, -9, 9),
      unary_row("tanh", tanh, std::tanh, -4, 4),
      unary_row(
          "softplus", softplus, [](double x) { return std::log1p(std::exp(x)); }, -9, 9),
      unary_row(
          "relu", relu, [](double x) { return std::max(x, 0.0); }, -3, 3),
      unary_row(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); },
          [](double x) { return x > 0 ? x : 0.2 * x; }, -3, 3),
      unary_row(
          "pow", [](const Tensor& x) { return pow(x, 1.7); }, [](double x) { return std::pow(x, 1.7); }, 0.1, 3),
      unary_row(
          "safe_pow", [](const Tensor& x) { return safe_pow(x, 0.7); },
          [](double x) { return x > 0 ? std::pow(x, 0.7) : 0; }, -1, 3),
      unary_row(
          "clamp", [](const Tensor& x) { return clamp(x, -0.5, 1); },
          [](double x) { return std::min(std::max(x, -0.5), 1.0); }, -2, 2),
      unary_row(
          "log_cosh", log_cosh, [](double x) { return std::log(std::cosh(x)); }, -5, 5),
      unary_row(
          "operators with a number", [](const Tensor& x) { return 2.0 - 3.0 / ((x * 0.5 + 1.0) / 4.0 - 3.0); },
          [](double x) { return 2 - 3 / ((x * 0.5 + 1) / 4 - 3); }, -2, 2),
      binary_row("add", add, plus),
      binary_row("subtract", subtract, [](double a, double b) { return a - b; }),
      binary_row("multiply", multiply, [](double a, double b) { return a * b; }),
      binary_row("divide", divide, [](double a, double b) { return a / b; }),
      binary_row("minimum", minimum, smaller),
      binary_row("maximum", maximum, larger),
      reduction_row("sum", sum, plus, 0, false),
      reduction_row("mean", mean, plus, 0, true),
      reduction_row("max", max, larger, -INFINITY, false),
      reduction_row("min", min, smaller, INFINITY, false),
      {"sum_to", draw_sum_to},
      {"softmax", [](Random& random, DType dtype) { return draw_softmax_value(random, dtype, false); }},
      {"log_softmax", [](Random& random, DType dtype) { return draw_softmax_value(random, dtype, true); }},
      {"argmax", draw_argmax_value},
      {"slice", draw_slice_value},
      {"concat", draw_concat_value},
      {"permute", draw_permute_value},
      {"lookup", draw_lookup_value},
      {"select_largest", draw_largest_value},
  };
}

}  // namespace

TEST_CASE("every operation has the value that plain loops give") { check_values(operation_rows()); }

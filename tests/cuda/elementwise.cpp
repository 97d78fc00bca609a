// ctest labels: gpu
// Elementwise operations, boxes, reductions, rows and random numbers on the card against the CPU.
#include "tests/test.h"

#include <bit>

#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A shape of up to five axes, and two that broadcast to it.
struct Broadcasts {
  Shape p, q;
  explicit Broadcasts(Random& random) {
    const std::int64_t dims = 1 + random.below(5);
    for (int i = 0; i < dims; ++i) {
      const std::int64_t n = random.chance(0.3) ? 4 * (1 + random.below(3)) : 1 + random.below(9),
                         kind = random.below(6);
      p.push_back(kind == 0 ? 1 : n);
      q.push_back(kind == 1 ? 1 : n);
    }
  }
};

DeviceCase unary_case(const char* name, Tensor (*f)(const Tensor&), Random& random, bool positive = false) {
  Tensor x = exact_noise(odd_shape(random), random);
  if (positive) x = affine(abs(x), 1, 0.125);
  return {name, {x}, [f](const std::vector<Tensor>& in) { return f(in[0]); }};
}

// The same bits, but a NaN is as good as another: a card makes its own when the type changes.
bool same_numbers(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = values(a.to(DType::f64)), y = values(b.to(DType::f64));
  return a.dtype() == b.dtype() && std::equal(x.begin(), x.end(), y.begin(), y.end(), [](double p, double q) {
           return (std::isnan(p) && std::isnan(q)) ||
                  std::bit_cast<std::uint64_t>(p) == std::bit_cast<std::uint64_t>(q);
         });
}

}  // namespace

TEST_CASE("elementwise operations on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(11);
  for (int i = 0; i < 4; ++i) {
    table.compare(
        {"affine", {exact_noise(odd_shape(random), random)}, [](const auto& in) { return affine(in[0], 1.5, -0.25); }},
        1e-5, 1e-12, kHalf);
    table.compare(unary_case("exp", exp, random));
    table.compare(unary_case("log", log, random, true));
    table.compare(unary_case("log1p", log1p, random, true));
    table.compare(unary_case("sqrt", sqrt, random, true));
    table.compare(unary_case("square", square, random));
    table.compare(unary_case("abs", abs, random));
    table.compare(unary_case("reciprocal", reciprocal, random, true));
    table.compare(unary_case("sigmoid", sigmoid, random), 1e-5, 1e-12, kHalf);
    table.compare(unary_case("tanh", tanh, random));
    table.compare(unary_case("softplus", softplus, random));
    table.compare(unary_case("relu", relu, random), 1e-5, 1e-12, 0);
    table.compare(unary_case("log_cosh", log_cosh, random));
    const Tensor x = exact_noise(odd_shape(random), random);
    table.compare({"leaky_relu", {x}, [](const auto& in) { return leaky_relu(in[0], 0.0625); }}, 1e-5, 1e-12, kHalf);
    table.compare({"pow", {affine(abs(x), 1, 0.125)}, [](const auto& in) { return pow(in[0], 1.75); }}, 2e-5);
    table.compare({"safe_pow", {x}, [](const auto& in) { return safe_pow(in[0], 1.25); }}, 2e-5);
    table.compare({"clamp", {x}, [](const auto& in) { return clamp(in[0], -0.5, 0.75); }});
  }
}

TEST_CASE("broadcasts on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(12);
  const std::pair<const char*, Tensor (*)(const Tensor&, const Tensor&)> ops[]{
      {"add", add},       {"subtract", subtract}, {"multiply", multiply},
      {"divide", divide}, {"minimum", minimum},   {"maximum", maximum}};
  for (int i = 0; i < 60; ++i) {
    const Broadcasts shapes(random);
    const auto& [name, f] = ops[i % 6];
    const Tensor p = exact_noise(shapes.p, random), q = exact_noise(shapes.q, random);
    // A divisor away from zero.
    table.compare(
        {name, {p, f == divide ? affine(abs(q), 1, 0.25) : q}, [f = f](const auto& in) { return f(in[0], in[1]); }},
        1e-5, 1e-12, kHalf);
  }
}

TEST_CASE("boxes and reductions on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(13);
  for (int i = 0; i < 40; ++i) {
    const Shape shape = odd_shape(random);
    const int axis = static_cast<int>(random.below(static_cast<std::uint64_t>(shape.dims())));
    const std::int64_t begin = random.below(shape[axis]), end = begin + 1 + random.below(shape[axis] - begin);
    const Tensor x = exact_noise(shape, random), y = exact_noise(shape.with(axis, 1 + random.below(6)), random);
    table.compare({"slice", {x}, [=](const auto& in) { return slice(in[0], axis, begin, end); }}, 0, 0, 0);
    table.compare({"concat", {x, y}, [=](const auto& in) { return concat(in, axis); }}, 0, 0, 0);
    std::vector<int> axes;
    for (int a = 0; a < shape.dims(); ++a)
      if (random.chance(0.5)) axes.push_back(a);
    table.compare({"sum", {x}, [=](const auto& in) { return sum(in[0], axes); }}, 1e-6, 1e-12, kHalf);
    table.compare({"max", {x}, [=](const auto& in) { return max(in[0], axes); }}, 1e-6);
    table.compare({"min", {x}, [=](const auto& in) { return min(in[0], axes, true); }}, 1e-6);
  }
  for (const Shape& shape : {Shape{1, 300, 300, 3}, Shape{2, 5000, 8}, Shape{1, 70001}, Shape{3, 129, 100}}) {
    const Tensor x = exact_noise(shape, random);
    const int last = shape.dims() - 1;
    table.compare({"sum", {x}, [](const auto& in) { return sum(in[0]); }}, 1e-6);
    table.compare({"sum", {x}, [](const auto& in) { return sum(in[0], {1}); }}, 1e-6);
    table.compare({"sum", {x}, [=](const auto& in) { return sum(in[0], {last}); }}, 1e-6);
    const double expected = cpu_backend().sum_of_squares(x), got = cuda_backend().sum_of_squares(x.to(Device::cuda));
    CHECK(std::fabs(got - expected) < 1e-12 * expected);
  }
}

TEST_CASE("NaN and infinity survive on the card") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = from_vector<double>({1, 4, 1}, {1, NAN, INFINITY, -INFINITY}).to(Device::cuda);
  const auto is_nan = [](const Tensor& y) { return std::isnan(y.item()); };
  CHECK(is_nan(sum(x)));
  CHECK(is_nan(max(x)));
  CHECK(is_nan(min(x)));
  CHECK(std::isnan(cuda_backend().sum_of_squares(x)));
  CHECK(difference(values(relu(x)), {1, NAN, INFINITY, 0}) == 0);
  CHECK(difference(values(maximum(x, zeros({1, 4, 1}, DType::f64, Device::cuda))), {1, NAN, INFINITY, 0}) == 0);
}

TEST_CASE("rows of the last axis on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(14);
  for (int i = 0; i < 12; ++i) {
    const Tensor x = exact_noise(odd_shape(random), random, 0, 4);
    table.compare({"softmax", {x}, [](const auto& in) { return softmax(in[0]); }});
    table.compare({"log_softmax", {x}, [](const auto& in) { return log_softmax(in[0]); }});
  }
  for (const bool channelwise : {false, true})
    table.compare({"dropout",
                   {exact_noise({2, 5, 7, 16}, random)},
                   [=](const auto& in) { return dropout(in[0], 0.25, 5, channelwise); }},
                  1e-6, 1e-12, kHalf);
  const Tensor wide = exact_noise({1, 3, 9000}, random);  // rows that do not fit into shared memory
  table.compare({"softmax", {wide}, [](const auto& in) { return softmax(in[0]); }});
  const Tensor small_terms = full({1, 600000}, -3);  // one f32 sum of them is 1 % too small
  small_terms.set({0, 0}, 0);
  CHECK(std::fabs(sum(softmax(small_terms.to(Device::cuda)).to(DType::f64)).item() - 1) < 1e-4);
}

TEST_CASE("random numbers and dropout are those of the CPU") {
  if (!has_device(Device::cuda)) return;
  for (const DType type : {DType::f32, DType::f64})
    for (const std::int64_t n : {1, 2, 3, 5, 1023, 40000}) {
      const std::uint64_t key = static_cast<std::uint64_t>(n) * 7919;
      const auto both = [&](auto&& make) { return difference(values(make(Device::cuda)), values(make(Device::cpu))); };
      const double slack = type == DType::f32 ? 2e-7 : 1e-14;
      CHECK(both([&](Device d) { return random_uniform({n}, key, -2, 3, type, d); }) <= slack);
      CHECK(both([&](Device d) { return random_normal({n}, key, 0.5, 2, type, d); }) <= slack);
      const Tensor x = full({1, n, 3}, 1, type);
      for (const bool channelwise : {false, true})
        CHECK(both([&](Device d) { return dropout(x.to(d), 0.25, key, channelwise); }) == 0);
    }
}

TEST_CASE("casts on the card are those of the CPU") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = from_vector<double>(
      {14}, {0, -0.4, 0.6, 1.5, 254.9, 255.1, 300, -7, 1e10, -1e10, NAN, INFINITY, 3.14159, 1.00390625});
  for (const DType from : {DType::f64, DType::f32, DType::bf16, DType::i32, DType::u8})
    for (const DType to : {DType::f64, DType::f32, DType::bf16, DType::i32, DType::u8}) {
      const Tensor source = x.to(from);
      const Tensor expected = source.to(to), got = source.to(Device::cuda).to(to).to(Device::cpu);
      CHECK_MESSAGE(same_numbers(got, expected), from << " to " << to);
    }
  const Tensor filled = full({5}, 1.5, DType::bf16, Device::cuda).to(Device::cpu).to(DType::f64);
  CHECK(values(filled) == std::vector<double>(5, 1.5));
}

TEST_CASE("optimiser steps on the card") {
  if (!has_device(Device::cuda)) return;
  Random random(15);
  for (const DType type : {DType::f32, DType::f64})
    for (const std::int64_t n : {1, 37, 3000}) {
      const Tensor g = noise({n}, type, random), m = noise({n}, type, random), v = abs(noise({n}, type, random)),
                   w = noise({n}, type, random);
      for (const bool flag : {false, true}) {
        const auto run = [&](Device device) {
          const auto on = [&](const Tensor& x) { return device == Device::cpu ? x.clone() : x.to(device); };
          const Tensor gradient = on(g), first = on(m), second = on(v), a = on(w), b = on(w), c = on(w),
                       velocity = on(m);
          Backend& backend = backend_of(device);
          backend.sgd_step({0.1, flag ? 0.9 : 0, 0.01, 0.5, flag, false}, gradient, velocity, a);
          backend.adam_step({0.1, 0.9, 0.99, 1e-8, 0.01, 0.5, flag, 3}, gradient, first, second, b);
          backend.lerp(gradient, 0.25, c);
          std::vector<double> all;
          for (const Tensor& t : {a, b, c, first, second, velocity})
            for (const double value : values(t)) all.push_back(value);
          return all;
        };
        CHECK(difference(run(Device::cuda), run(Device::cpu)) <= tolerance(type));
      }
    }
}

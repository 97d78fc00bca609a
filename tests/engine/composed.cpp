// What the CPU does in one pass against the same done one step after the other in f64 (engine/composed.cpp), and the
// graphs of deferred normalisations against those of the operations that they stand for.
#include "tests/test.h"

#include "engine/backend.h"
#include "engine/ops.h"
#include "tests/engine/conv_reference.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

constexpr double kTolerance = 5e-5;  // largest error over largest value

enum class Way { one_pass, composed };

FeatureMap to_type(FeatureMap map, DType type) {
  for (Tensor* one : {&map.x, &map.mean, &map.rstd, &map.gamma, &map.beta}) *one = one->to(type);
  return map;
}
std::vector<FeatureMap> to_type(std::vector<FeatureMap> maps, DType type) {
  for (FeatureMap& map : maps) map = to_type(map, type);
  return maps;
}

// Plain, or with one of the kinds of statistics and activations; f64 whose values are f32.
FeatureMap generate_map(const Shape& shape, Random random) {
  const auto numbers = [&](const Shape& s, std::uint64_t stream, double low, double high) {
    return random_uniform(s, random.fork(stream).key(), low, high).to(DType::f64);
  };
  FeatureMap r(numbers(shape, 1, -1, 1));
  const std::int64_t channels = shape[-1], kind = random.below(4);
  if (kind == 0) return r;
  const Shape statistics = kind == 1 ? Shape{1, channels} : Shape{shape[0], kind == 2 ? channels : 1};
  r.mean = numbers(statistics, 2, -1, 1);
  r.rstd = numbers(statistics, 3, 0.5, 2);
  if (random.chance(0.7)) r.gamma = numbers({channels}, 4, -1, 1);
  if (random.chance(0.7)) r.beta = numbers({channels}, 5, -1, 1);
  constexpr Activation kActivations[]{Activation::none, Activation::relu, Activation::leaky_relu};
  r.activation = kActivations[random.below(3)];
  r.slope = 0.1;
  return r;
}

// One to three maps, together c.x().
std::vector<FeatureMap> generate_inputs(const ConvCase& c, Random random) {
  if (c.cin < 2 || random.chance(0.4)) return {generate_map(c.x(), random.fork(1))};
  if (c.cin > 32 && random.chance(0.3))
    return {generate_map(c.x().with(-1, 16), random.fork(2)), generate_map(c.x().with(-1, 16), random.fork(3)),
            generate_map(c.x().with(-1, c.cin - 32), random.fork(4))};
  const std::int64_t first =
      random.chance(0.5) && c.cin > 16 ? 16 : 1 + random.below(static_cast<std::uint64_t>(c.cin - 1));
  return {generate_map(c.x().with(-1, first), random.fork(2)),
          generate_map(c.x().with(-1, c.cin - first), random.fork(3))};
}

ConvCase generate(Random& random) {
  while (true) {
    ConvCase c = point_case(random.chance(0.5) ? 2 : 3, 1 + random.below(3));
    const std::int64_t kernel = random.chance(0.7) ? 3 : 1;
    for (int axis = 3 - c.dims; axis < 3; ++axis) {
      c.in[axis] = 1 + random.below(13);
      c.kernel[axis] = kernel;
      c.padding[axis] = kernel == 1 ? 0 : random.below(3);
    }
    c.cin = 1 + random.below(50);
    c.cout = 1 + random.below(50);
    if (c.valid() && c.y().spatial_numel() * c.batch > 1) return c;
  }
}

struct Results {
  Tensor y, mean, rstd, dweight;
  std::vector<Tensor> dx;
};

Results run(Way way, const ConvCase& c, const std::vector<FeatureMap>& inputs, const ConvTensors& t,
            const Shape& statistics) {
  const DType type = t.weight.dtype();
  const auto unset = [type](const Shape& shape) { return full(shape, NAN, type); };
  Results r{unset(c.y()), unset(statistics), unset(statistics), unset(c.weight()), {}};
  for (const FeatureMap& input : inputs) r.dx.push_back(unset(input.shape()));
  Backend& backend = cpu_backend();
  if (way == Way::one_pass) {
    backend.conv(inputs, t.weight, t.bias, c.options(), r.y, 1e-5, r.mean, r.rstd);
    backend.conv_input_gradient(t.dy, t.weight, c.options(), r.dx);
    backend.conv_weight_gradient(inputs, t.dy, c.options(), r.dweight);
  } else {
    backend.Backend::conv(inputs, t.weight, t.bias, c.options(), r.y, 1e-5, r.mean, r.rstd);
    backend.Backend::conv_input_gradient(t.dy, t.weight, c.options(), r.dx);
    backend.Backend::conv_weight_gradient(inputs, t.dy, c.options(), r.dweight);
  }
  return r;
}

Shape generate_statistics(const ConvCase& c, Random random) {
  switch (random.below(3)) {
    case 0: return {1, c.cout};
    case 1: return {c.batch, c.cout};
    default: return {c.batch, 1};
  }
}

void compare(const ConvCase& c, const Random& random) {
  const ConvTensors tensors = uniform_conv_tensors(c, random);
  const std::vector<FeatureMap> inputs = generate_inputs(c, random.fork(7));
  const Shape statistics = generate_statistics(c, random.fork(8));
  const Results expected = run(Way::composed, c, inputs, tensors, statistics);
  const Results found =
      run(Way::one_pass, c, to_type(inputs, DType::f32), test::to_type(tensors, DType::f32), statistics);
  INFO(inputs.size(), " inputs, statistics ", statistics, ", ", c.name());
  CHECK(normalised_error(found.y, expected.y) <= kTolerance);
  CHECK(normalised_error(found.mean, expected.mean) <= kTolerance);
  // A channel that hardly varies divides by nearly nothing: its rstd is as inexact as the differences of y.
  if (normalised_error(expected.rstd, zeros_like(expected.rstd)) < 1e32 &&
      max(expected.rstd).item() < 100 * min(expected.rstd).item())
    CHECK(normalised_error(found.rstd, expected.rstd) <= 20 * kTolerance);
  CHECK(normalised_error(found.dweight, expected.dweight) <= kTolerance);
  for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(normalised_error(found.dx[i], expected.dx[i]) <= kTolerance);
}

// conv, norm, activation; the same with a second map, pooled; upsampled and a 1x1 convolution.
struct Chain {
  std::int64_t groups;  // 0: batch norm
  bool training;
  Activation activation;
  std::vector<Tensor> leaves;  // x, second, w1, gamma, beta, w2, w3, b3, w4

  Chain(std::int64_t g, bool t, Activation a) : groups(g), training(t), activation(a) {
    const Random random(11);
    std::uint64_t stream = 0;
    for (const Shape& shape :
         {Shape{2, 6, 8, 3}, {2, 6, 8, 2}, {4, 3, 3, 3}, {4}, {4}, {4, 3, 3, 6}, {4, 2, 2, 3}, {3}, {2, 1, 1, 3}})
      leaves.push_back(uniform_numbers<double>(shape, random.fork(++stream)).set_requires_grad());
  }
  Tensor running(double value) const { return full({4}, value, DType::f64); }
  NormOptions options(const Tensor& mean, const Tensor& variance) const {
    return {.groups = groups,
            .gamma = leaves[3],
            .beta = leaves[4],
            .activation = activation,
            .slope = 0.1,
            .running_mean = mean,
            .running_var = variance,
            .training = training,
            .momentum = 0.3};
  }

  Tensor deferred_result(const Tensor& mean, const Tensor& variance) const {
    const NormOptions norm = options(mean, variance);
    const FeatureMap a = conv_norm({leaves[0]}, leaves[2], {}, {.padding = 1}, norm);
    const FeatureMap b = conv_norm({a, leaves[1]}, leaves[5], {}, {.padding = 1}, norm);
    const Tensor up = conv_transpose(b, leaves[6], leaves[7], {.stride = 2});
    return sum(square(conv(std::vector<FeatureMap>{up}, leaves[8]))) + sum(square(max_pool(b))) +
           sum(square(a.tensor()));
  }
  Tensor plain_result(const Tensor& mean, const Tensor& variance) const {
    const NormOptions norm = options(mean, variance);
    const Tensor a = normalise(conv(leaves[0], leaves[2], {}, {.padding = 1}), norm);
    const Tensor b = normalise(conv(concat({a, leaves[1]}, -1), leaves[5], {}, {.padding = 1}), norm);
    const Tensor up = conv_transpose(b, leaves[6], leaves[7], {.stride = 2});
    return sum(square(conv(up, leaves[8]))) + sum(square(max_pool(b))) + sum(square(a));
  }
  std::vector<Tensor> gradients(const Tensor& value) const {
    value.backward();
    std::vector<Tensor> result;
    for (const Tensor& leaf : leaves) {
      result.push_back(leaf.grad());
      leaf.set_grad({});
    }
    return result;
  }
};

}  // namespace

TEST_CASE("convolutions in one pass: every kernel, one to three inputs, plain or normalised on the way") {
  Random random(1);
  for (const char* kernel : {"", "winograd", "direct", "gemm"}) {
    const Setting setting("VOXGRAD_CONV", kernel);
    for (std::uint64_t i = 0; i < 60; ++i) compare(generate(random), random.fork(i));
  }
}

TEST_CASE("convolutions in one pass: many channels and large planes, which are cut differently") {
  for (const ConvCase& c : {layer(2, 2, 200, 180, 13), layer(2, 2, 32, 32, 37), layer(3, 2, 96, 64, 7)})
    for (std::uint64_t i = 0; i < 3; ++i) compare(c, Random(i));
  ConvCase deep = layer(3, 2, 150, 82, 6);  // its planes are cut into two blocks; below, 300 tiles are
  deep.in[0] = 17;
  compare(deep, Random(4));
  compare(layer(2, 3, 520, 72, 37), Random(5));
}

TEST_CASE("statistics gathered on the way: a mean far from zero costs no digits") {
  ConvCase c = point_case(2, 2);
  c.cin = 8;
  c.cout = 20;
  c.in = {1, 18, 22};
  c.kernel = {1, 3, 3};
  c.padding = {0, 1, 1};
  ConvTensors tensors = uniform_conv_tensors(c, Random(3));
  tensors.bias = full({c.cout}, 1000, DType::f64);
  const std::vector<FeatureMap> inputs{{tensors.x}};
  const Results expected = run(Way::composed, c, inputs, tensors, {2, c.cout});
  const Results found =
      run(Way::one_pass, c, to_type(inputs, DType::f32), test::to_type(tensors, DType::f32), {2, c.cout});
  CHECK(normalised_error(found.rstd, expected.rstd) <= 1e-3);
}

TEST_CASE("convolutions in one pass: the same bits for any number of threads") {
  Random random(5);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const ConvCase c = generate(random);
    const ConvTensors tensors = test::to_type(uniform_conv_tensors(c, random.fork(i)), DType::f32);
    const std::vector<FeatureMap> inputs = to_type(generate_inputs(c, random.fork(i + 100)), DType::f32);
    const auto results = [&] { return run(Way::one_pass, c, inputs, tensors, {c.batch, c.cout}); };
    const Results one = with_threads(1, results), three = with_threads(3, results);
    INFO(c.name());
    CHECK(same_bits(one.y, three.y));
    CHECK(same_bits(one.mean, three.mean));
    CHECK(same_bits(one.rstd, three.rstd));
    CHECK(same_bits(one.dweight, three.dweight));
    for (std::size_t k = 0; k < inputs.size(); ++k) CHECK(same_bits(one.dx[k], three.dx[k]));
  }
}

TEST_CASE("transposed convolution and pooling in one pass") {
  Random random(9);
  for (std::uint64_t i = 0; i < 60; ++i) {
    const int dims = random.chance(0.5) ? 2 : 3;
    Shape x{1 + static_cast<std::int64_t>(random.below(3))}, weight{1 + static_cast<std::int64_t>(random.below(40))},
        y{x[0]};
    for (int axis = 0; axis < dims; ++axis) {
      x.push_back(2 + random.below(7));
      weight.push_back(2);
      y.push_back(2 * x[-1]);
    }
    x.push_back(weight[0]);
    y.push_back(1 + random.below(40));
    weight.push_back(y[-1]);
    const FeatureMap map = generate_map(x, random.fork(i));
    const Tensor w = uniform_numbers<double>(weight, random.fork(i + 100)),
                 bias = uniform_numbers<double>({y[-1]}, random.fork(2)),
                 dy = uniform_numbers<double>(y, random.fork(i + 200));
    const ConvOptions options{.stride = 2};
    Backend& backend = cpu_backend();
    const auto results = [&](Way way, DType type) {
      const FeatureMap r = to_type(map, type);
      const Tensor up = full(y, NAN, type), dweight = full(weight, NAN, type);
      Shape half = x;
      for (int axis = 1; axis <= dims; ++axis) half[axis] /= 2;
      const Tensor pooled = full(half, NAN, type), index = empty(half, DType::u8);
      if (way == Way::one_pass) {
        backend.conv_transpose(r, w.to(type), bias.to(type), options, up);
        backend.conv_transpose_weight_gradient(r, dy.to(type), options, dweight);
        backend.max_pool(r, 2, pooled, index);
      } else {
        backend.Backend::conv_transpose(r, w.to(type), bias.to(type), options, up);
        backend.Backend::conv_transpose_weight_gradient(r, dy.to(type), options, dweight);
        backend.Backend::max_pool(r, 2, pooled, index);
      }
      return std::vector<Tensor>{up, dweight, pooled, index};
    };
    const std::vector<Tensor> expected = results(Way::composed, DType::f64), found = results(Way::one_pass, DType::f32);
    INFO(x, " to ", y);
    for (std::size_t k = 0; k < 3; ++k) CHECK(normalised_error(found[k], expected[k]) <= kTolerance);
    CHECK(same_bits(found[3], results(Way::composed, DType::f32)[3]));
  }
}

TEST_CASE("graphs with deferred normalisations have the values and gradients of the operations they stand for") {
  for (const Activation activation : {Activation::none, Activation::relu, Activation::leaky_relu})
    for (const auto& norm : {std::pair{0, true}, {0, false}, {1, true}, {2, true}, {4, true}}) {
      const Chain chain(norm.first, norm.second, activation);
      const Tensor mean = chain.running(0.1), variance = chain.running(0.7);
      const Tensor mean2 = mean.clone(), variance2 = variance.clone();
      const Tensor value = chain.deferred_result(mean, variance), expected = chain.plain_result(mean2, variance2);
      INFO(norm.first, " groups, training ", norm.second);
      CHECK(normalised_error(value, expected) <= 1e-12);
      CHECK(normalised_error(mean, mean2) <= 1e-12);
      CHECK(normalised_error(variance, variance2) <= 1e-12);
      const std::vector<Tensor> found = chain.gradients(value), wanted = chain.gradients(expected);
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(normalised_error(found[i], wanted[i]) <= 1e-10);
    }
}

TEST_CASE("what a deferred normalisation does not store is not stored") {
  Pool& pool = cpu_backend().pool();
  const Tensor x = random_normal({1, 64, 64, 16}, 1), w = random_normal({16, 3, 3, 16}, 2).set_requires_grad();
  const auto step = [&](bool deferred_chain) {
    const std::size_t before = pool.statistics().in_use;
    FeatureMap y(x);
    for (int layer = 0; layer < 4; ++layer)
      y = deferred_chain ? conv_norm({y}, w, {}, {.padding = 1}, {.groups = 16})
                         : FeatureMap(normalise(conv(y.x, w, {}, {.padding = 1}), {.groups = 16}));
    return static_cast<double>(pool.statistics().in_use - before);
  };
  CHECK(step(true) < 0.6 * step(false));
}

TEST_CASE("inputs that do not lie side by side are refused") {
  const Tensor x = zeros({1, 4, 4, 3}), w = zeros({2, 3, 3, 6});
  CHECK_THROWS_AS(conv({x, zeros({1, 4, 5, 3})}, w), Error);
  CHECK_THROWS_AS(conv({x, zeros({1, 4, 4, 2})}, w), Error);
  CHECK_THROWS_AS(conv({x, zeros({1, 4, 4, 3}, DType::f64)}, w), Error);
  CHECK_THROWS_AS(conv(std::vector<FeatureMap>{}, w), Error);
  CHECK_THROWS_AS(conv_norm({x, x}, w, {}, {.padding = 1}, {.groups = 3}), Error);
  CHECK_THROWS_AS(conv_norm({x, x}, w, {}, {.padding = 1}, {.groups = 0}), Error);
}

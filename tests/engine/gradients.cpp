// The derivative of every operation is compared with finite differences in f64, for generated shapes and options. A row
// of the table is an operation: it draws a random case and says what to differentiate.
#include <algorithm>
#include <functional>
#include <string>

#include "engine/gradcheck.h"
#include "engine/integrands.h"
#include "tests/engine/random_case.h"
#include "tests/test.h"

namespace {

using namespace voxgrad;
using namespace voxgrad::test;
using Inputs = std::vector<Tensor>;

struct Problem {
  std::function<Tensor(const Inputs&)> f;
  Inputs inputs;
};

struct Operation {
  std::string name;
  std::function<Problem(Random&)> draw;
};

constexpr int kCases = 200;

Shape any_shape(Random& random) { return random_shape(random, static_cast<int>(between(random, 0, 4)), 1, 4); }

// f on one input with elements in (low, high).
Operation unary(const char* name, Tensor (*f)(const Tensor&), double low, double high) {
  return {name, [f, low, high](Random& random) {
            return Problem{[f](const Inputs& in) { return f(in[0]); }, {uniform(random, any_shape(random), low, high)}};
          }};
}

// A shape and one that broadcasts with it, in either order.
Operation binary(const char* name, Tensor (*f)(const Tensor&, const Tensor&), double low, double high) {
  return {name, [f, low, high](Random& random) {
            const Shape whole = any_shape(random);
            Shape part;
            for (int i = static_cast<int>(random.below(whole.dims() + 1)); i < whole.dims(); ++i)
              part.push_back(random.chance(0.4) ? 1 : whole[i]);
            Inputs inputs{uniform(random, whole, low, high), uniform(random, part, low, high)};
            if (random.chance(0.5)) std::swap(inputs[0], inputs[1]);
            return Problem{[f](const Inputs& in) { return f(in[0], in[1]); }, inputs};
          }};
}

Operation reduction(const char* name, Tensor (*f)(const Tensor&, std::vector<int>, bool)) {
  return {name, [f](Random& random) {
            const Shape shape = any_shape(random);
            std::vector<int> axes;
            for (int i = 0; i < shape.dims(); ++i)
              if (random.chance(0.5)) axes.push_back(random.chance(0.5) ? i : i - shape.dims());
            const bool keep = random.chance(0.5);
            return Problem{[=](const Inputs& in) { return f(in[0], axes, keep); }, {normal(random, shape)}};
          }};
}

Extents random_extents(Random& random, int spatial, std::int64_t low, std::int64_t high) {
  Extents extents;
  extents.dims = spatial;
  for (int i = 0; i < spatial; ++i) nth(extents.value, i) = between(random, low, high);
  return extents;
}

Problem draw_conv(Random& random, bool transposed) {
  const Shape x = random_feature_map(random, transposed ? 1 : 3, 3);
  const int spatial = x.spatial_dims();
  Shape weight = x.with(0, between(random, 1, 3));
  for (int i = 0; i < spatial; ++i) weight[i + 1] = between(random, 1, 3);
  if (transposed) {
    weight[-1] = weight[0];
    weight[0] = x[-1];
  }
  ConvOptions options{random_extents(random, spatial, 1, 2), random_extents(random, spatial, 0, 1),
                      random_extents(random, spatial, 1, 2)};
  for (std::size_t i = 0; i < static_cast<std::size_t>(spatial); ++i) {
    const std::int64_t kernel = weight[static_cast<int>(i) + 1];
    const std::int64_t extent = x[static_cast<int>(i) + 1];
    if (!transposed && options.dilation.value[i] * (kernel - 1) + 1 > extent) options.dilation.value[i] = 1;
    // The transposed output must have at least one voxel.
    if (transposed && (extent - 1) * options.stride.value[i] + options.dilation.value[i] * (kernel - 1) <
                          2 * options.padding.value[i])
      options.padding.value[i] = 0;
  }
  Inputs inputs{normal(random, x), normal(random, weight)};
  if (random.chance(0.5)) inputs.push_back(normal(random, {transposed ? weight[-1] : weight[0]}));
  return {[=](const Inputs& in) {
            const Tensor bias = in.size() == 3 ? in[2] : Tensor();
            return transposed ? conv_transpose(in[0], in[1], bias, options) : conv(in[0], in[1], bias, options);
          },
          inputs};
}

NormOptions random_norm(Random& random) {
  return {.eps = random.chance(0.5) ? 1e-5 : 1e-2,
          .activation = static_cast<Activation>(random.below(3)),
          .slope = random.uniform(0, 0.5)};
}

// The inputs are x and, in some cases, gamma and beta.
Inputs norm_inputs(Random& random, const Shape& x) {
  Inputs inputs{normal(random, x)};
  if (random.chance(0.7))
    for (int i = 0; i < 2; ++i) inputs.push_back(normal(random, {x[-1]}));
  return inputs;
}
NormOptions with_parameters(NormOptions options, const Inputs& in) {
  if (in.size() > 1) options.gamma = in[1];
  if (in.size() > 2) options.beta = in[2];
  return options;
}

Problem draw_group_norm(Random& random) {
  Shape x = random_feature_map(random, 2, 4);
  const std::int64_t groups = random.chance(0.3) ? 1 : random.chance(0.5) ? x[-1] : 2;
  if (x[-1] % groups != 0) x[-1] *= groups;
  NormOptions options = random_norm(random);
  options.groups = groups;
  return {[=](const Inputs& in) { return normalise(in[0], with_parameters(options, in)); }, norm_inputs(random, x)};
}

Problem draw_batch_norm(Random& random) {
  const Shape x = random_feature_map(random, 2, 4);
  NormOptions options = random_norm(random);
  options.training = random.chance(0.6);
  const Tensor mean = normal(random, {x[-1]});
  const Tensor variance = uniform(random, {x[-1]}, 0.5, 2);
  return {[=](const Inputs& in) {
            NormOptions all = with_parameters(options, in);
            all.running_mean = mean.clone();
            all.running_var = variance.clone();
            return normalise(in[0], all);
          },
          norm_inputs(random, x)};
}

Problem draw_matmul(Random& random) {
  const std::int64_t m = between(random, 1, 5), k = between(random, 1, 5), n = between(random, 1, 5);
  const MatmulOptions options{random.chance(0.5), random.chance(0.5)};
  const Shape a = options.transpose_a ? Shape{k, m} : Shape{m, k};
  const Shape b = options.transpose_b ? Shape{n, k} : Shape{k, n};
  return {[=](const Inputs& in) { return matmul(in[0], in[1], options); }, {normal(random, a), normal(random, b)}};
}

Problem draw_concat(Random& random) {
  const Shape shape = random_shape(random, static_cast<int>(between(random, 1, 4)), 1, 3);
  const int axis = static_cast<int>(random.below(shape.dims()));
  Inputs parts;
  for (std::int64_t i = between(random, 1, 3); i > 0; --i)
    parts.push_back(normal(random, shape.with(axis, between(random, 1, 3))));
  return {[=](const Inputs& in) { return concat(in, axis); }, parts};
}

Problem draw_slice(Random& random) {
  const Shape shape = random_shape(random, static_cast<int>(between(random, 1, 4)), 1, 4);
  const int axis = static_cast<int>(random.below(shape.dims()));
  const std::int64_t begin = random.below(shape[axis]);
  const std::int64_t end = between(random, begin + 1, shape[axis]);
  return {[=](const Inputs& in) { return slice(in[0], axis, begin, end); }, {normal(random, shape)}};
}

Problem draw_permute(Random& random) {
  const Shape shape = random_shape(random, static_cast<int>(between(random, 1, 5)), 1, 3);
  std::vector<int> axes;
  for (int i = 0; i < shape.dims(); ++i) axes.push_back(random.chance(0.5) ? i : i - shape.dims());
  random.shuffle(axes);
  return {[=](const Inputs& in) { return permute(in[0], axes); }, {normal(random, shape)}};
}

Problem draw_max_pool(Random& random) {
  const Shape x = random_feature_map(random, 2, 3);
  const Extents window = random_extents(random, x.spatial_dims(), 1, 2);
  return {[=](const Inputs& in) { return max_pool(in[0], window); }, {normal(random, x)}};
}

Problem draw_upsample(Random& random) {
  const Shape x = random_feature_map(random, 1, 3);
  const Extents scale = random_extents(random, x.spatial_dims(), 1, 3);
  const Upsampling kind = random.chance(0.3) ? Upsampling::nearest : Upsampling::linear;
  return {[=](const Inputs& in) { return upsample(in[0], kind, scale); }, {normal(random, x)}};
}

Problem draw_dropout(Random& random) {
  const Shape x = random_feature_map(random, 1, 4);
  const double probability = random.uniform(0, 0.8);
  const std::uint64_t key = random.bits64();
  const bool channelwise = random.chance(0.5);
  return {[=](const Inputs& in) { return dropout(in[0], probability, key, channelwise); }, {normal(random, x)}};
}

Problem draw_integrate(Random& random, bool as_map) {
  const Shape x = random_feature_map(random, 1, 4);
  Shape space;
  for (int i = 0; i + 1 < x.dims(); ++i) space.push_back(x[i]);
  const std::int64_t classes = std::max<std::int64_t>(x[-1], 2);
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(space.numel()));
  const bool ignoring = random.chance(0.3);
  for (auto& label : labels)
    label = ignoring && random.chance(0.2) ? 255 : static_cast<std::uint8_t>(random.below(classes));
  std::vector<Integral> rows;
#define VOXGRAD_ROW(name, ...) rows.push_back({.kind = Integrand::name, .a = random.uniform(0.3, 3)});
  VOXGRAD_INTEGRAND_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW
  for (Integral& row : rows) {
    const Shape weights = random.chance(0.5) ? Shape{classes} : Shape{classes, classes};
    if (random.chance(0.3)) row.weights = uniform(random, weights, 0, 2);
    if (random.chance(0.3)) row.field = normal(random, x.with(-1, random.chance(0.5) ? 1 : x[-1]));
  }
  const IntegrateOptions options{ignoring ? 255 : -1, random.chance(0.3) ? 3.0 : 1.0};
  const Tensor truth = from_vector(space, labels);
  const Integral one = rows[static_cast<std::size_t>(random.below(std::ssize(rows)))];
  return {[=](const Inputs& in) {
            return as_map ? integrand(in[0], truth, one, options) : integrate(in[0], truth, rows, options);
          },
          {normal(random, x)}};
}

Problem draw_neighbours(Random& random, Tensor (*f)(const Tensor&, const std::vector<int>&)) {
  const Shape x = random_feature_map(random, 1, 4);
  std::vector<int> axes;
  for (int axis = 1; axis <= x.spatial_dims(); ++axis)
    if (random.chance(0.7)) axes.push_back(axis);
  return {[=](const Inputs& in) { return f(in[0], axes); }, {normal(random, x)}};
}

Problem draw_hinge_errors(Random& random) {
  const Shape x = random_feature_map(random, 1, 4);
  const Tensor labels = integers(random, x.without(-1), 3, DType::f64).to(DType::u8);  // negative ones become 0
  const std::int64_t classes = std::max<std::int64_t>(x[-1], 2);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    if (labels.data<std::uint8_t>()[i] >= classes) labels.data<std::uint8_t>()[i] = 3;
  const IntegrateOptions options{classes > 3 ? -1 : 3, random.chance(0.3) ? 2.0 : 1.0};
  return {[=](const Inputs& in) { return hinge_errors(in[0], labels, options); }, {normal(random, x)}};
}

Problem draw_segment_sum(Random& random) {
  const Shape ids = random_feature_map(random, 1, 4);
  const Tensor of = integers(random, ids, 3, DType::f64).to(DType::i32);  // from -3 to 3, of which 0 .. 2 count
  const Shape x = random.chance(0.5) ? ids : ids.with(-1, 1);
  return {[=](const Inputs& in) { return segment_sum(in[0], of, 3); }, {normal(random, x)}};
}

Problem draw_sum_to(Random& random) {
  const Shape x = any_shape(random);
  Shape to;
  for (int i = static_cast<int>(random.below(x.dims() + 1)); i < x.dims(); ++i)
    to.push_back(random.chance(0.4) ? 1 : x[i]);
  return {[=](const Inputs& in) { return sum_to(in[0], to); }, {normal(random, x)}};
}

// A convolution whose normalisation is deferred, and one that reads it together with a plain map.
Problem draw_conv_norm(Random& random) {
  const Shape x = random_feature_map(random, 2, 3);
  const std::int64_t between_them = 2 * between(random, 1, 2), second = between(random, 1, 2);
  Shape first_weight = x.with(0, between_them), second_weight = x.with(0, 2).with(-1, between_them + second);
  for (int i = 1; i <= x.spatial_dims(); ++i) first_weight[i] = 3, second_weight[i] = 1;
  NormOptions options = random_norm(random);
  options.groups = random.chance(0.5) ? 2 : between_them;
  options.eps = 0.1;  // so that maps of few voxels have no steep slopes
  Inputs inputs{normal(random, x), normal(random, first_weight), normal(random, second_weight),
                normal(random, x.with(-1, second))};
  for (int i = 0; i < 2; ++i) inputs.push_back(normal(random, {between_them}));
  return {[=](const Inputs& in) {
            NormOptions all = options;
            all.gamma = in[4];
            all.beta = in[5];
            const FeatureMap map = conv_norm({in[0]}, in[1], {}, {.padding = 1}, all);
            return conv(std::vector<FeatureMap>{map, in[3]}, in[2]);
          },
          inputs};
}

std::vector<Operation> operations() {
  return {
      {"affine",
       [](Random& random) {
         const double a = random.normal(), b = random.normal();
         return Problem{[=](const Inputs& in) { return affine(in[0], a, b); }, {normal(random, any_shape(random))}};
       }},
      unary("exp", exp, -2, 2),
      unary("log", log, 0.2, 3),
      unary("log1p", log1p, -0.7, 3),
      unary("sqrt", sqrt, 0.2, 3),
      unary("square", square, -2, 2),
      unary("abs", abs, -2, 2),
      unary("reciprocal", reciprocal, 0.3, 3),
      unary("sigmoid", sigmoid, -6, 6),
      unary("tanh", tanh, -3, 3),
      unary("softplus", softplus, -30, 30),
      unary("relu", relu, -2, 2),
      unary(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }, -2, 2),
      unary(
          "pow", [](const Tensor& x) { return pow(x, 1.7); }, 0.2, 3),
      unary(
          "safe_pow", [](const Tensor& x) { return safe_pow(x, 1.7); }, -1, 3),
      unary(
          "clamp", [](const Tensor& x) { return clamp(x, -0.5, 1); }, -2, 2),
      unary("log_cosh", log_cosh, -5, 5),
      unary(
          "softmax", [](const Tensor& x) { return softmax(x.dims() == 0 ? reshape(x, {1}) : x); }, -4, 4),
      unary(
          "log_softmax", [](const Tensor& x) { return log_softmax(x.dims() == 0 ? reshape(x, {1}) : x); }, -4, 4),
      unary(
          "reshape",
          [](const Tensor& x) {
            return reshape(x, {x.numel(), 1});
          },
          -2, 2),
      binary("add", add, -2, 2),
      binary("subtract", subtract, -2, 2),
      binary("multiply", multiply, -2, 2),
      binary("divide", divide, 0.3, 2),
      binary("minimum", minimum, -2, 2),
      binary("maximum", maximum, -2, 2),
      reduction("sum", sum),
      reduction("mean", mean),
      reduction("max", max),
      reduction("min", min),
      {"matmul", draw_matmul},
      {"slice", draw_slice},
      {"concat", draw_concat},
      {"permute", draw_permute},
      {"conv", [](Random& random) { return draw_conv(random, false); }},
      {"conv_transpose", [](Random& random) { return draw_conv(random, true); }},
      {"max_pool", draw_max_pool},
      {"upsample", draw_upsample},
      {"group_norm", draw_group_norm},
      {"batch_norm", draw_batch_norm},
      {"dropout", draw_dropout},
      {"dilate", [](Random& random) { return draw_neighbours(random, dilate); }},
      {"erode", [](Random& random) { return draw_neighbours(random, erode); }},
      {"integrate", [](Random& random) { return draw_integrate(random, false); }},
      {"integrand", [](Random& random) { return draw_integrate(random, true); }},
      {"hinge_errors", draw_hinge_errors},
      {"segment_sum", draw_segment_sum},
      {"sum_to", draw_sum_to},
      {"conv_norm", draw_conv_norm},
      unary(
          "cast", [](const Tensor& x) { return cast(x, DType::f64); }, -2, 2),
  };
}

}  // namespace

TEST_CASE("every operation has the gradient that finite differences give") {
  std::int64_t checked = 0, kinks = 0;
  double worst = 0;
  std::string worst_name;
  for (const Operation& operation : operations()) {
    double worst_here = 0;
    std::int64_t kinks_here = 0, checked_here = 0;
    for (int i = 0; i < kCases; ++i) {
      Random random(static_cast<std::uint64_t>(i) + 1);
      const Problem problem = operation.draw(random);
      // The step suits central differences with Richardson extrapolation. There are many cases with few elements each.
      const GradcheckResult result =
          gradcheck(problem.f, problem.inputs, {.step = 1e-3, .tolerance = 1e-6, .most = 12, .seed = random.bits64()});
      CHECK_MESSAGE(result.worst <= 1e-6, operation.name << ", case " << i << ": " << result.where);
      worst_here = std::max(worst_here, result.worst);
      kinks_here += result.kinks;
      checked_here += result.checked;
    }
    CHECK_MESSAGE(checked_here > kCases, operation.name << " compared next to nothing");
    CHECK_MESSAGE(kinks_here * 10 < checked_here, operation.name << ": too many kinks, " << kinks_here);
    if (worst_here > worst) worst_name = operation.name;
    worst = std::max(worst, worst_here);
    checked += checked_here;
    kinks += kinks_here;
  }
  MESSAGE("gradients: " << operations().size() << " operations, " << kCases << " cases each, " << checked
                        << " elements, " << kinks << " at kinks, worst relative error " << worst << " (" << worst_name
                        << ")");
}

// ctest labels: gpu
// Convolutions, products, normalisation, pooling and upsampling on the card against the CPU.
#include "tests/test.h"

#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A parameter of a normalisation, which is f32 beside maps in bf16.
NormOptions with(NormOptions options, std::int64_t groups, const Tensor& gamma = {}, const Tensor& beta = {}) {
  options.groups = groups;
  options.gamma = gamma;
  options.beta = beta;
  return options;
}

Tensor wide(const Tensor& parameter) {
  return parameter.dtype() == DType::bf16 ? cast(parameter, DType::f32) : parameter;
}

Extents random_extents(int dims, std::int64_t least, std::int64_t most, Random& random) {
  Extents e;
  e.dims = dims;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(dims); ++axis)
    e.value[axis] = least + random.below(most - least + 1);
  return e;
}

Shape map_of(std::int64_t n, int dims, std::int64_t least, std::int64_t most, std::int64_t channels, Random& random) {
  Shape shape{n};
  for (int axis = 0; axis < dims; ++axis) shape.push_back(least + random.below(most - least + 1));
  shape.push_back(channels);
  return shape;
}

}  // namespace

TEST_CASE("convolutions on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(21);
  for (int i = 0; i < 40; ++i) {
    const int dims = 1 + i % 3;
    const std::int64_t cin = 1 + random.below(9), cout = 1 + random.below(9);
    const Extents kernel = random.chance(0.2) ? Extents(1) : random_extents(dims, 1, 3, random);
    const ConvOptions options{random_extents(dims, 1, 2, random), random_extents(dims, 0, 2, random),
                              random_extents(dims, 1, 2, random)};
    Shape weight{cout};
    for (int axis = 0; axis < dims; ++axis) weight.push_back(kernel[axis]);
    weight.push_back(cin);
    const Tensor x = exact_noise(map_of(1 + random.below(2), dims, 5, dims == 3 ? 6 : 11, cin, random), random);
    const Tensor w = exact_noise(weight, random), b = exact_noise({cout}, random);
    table.compare({"conv", {x, w, b}, [=](const auto& in) { return conv(in[0], in[1], in[2], options); }}, 1e-5, 1e-12,
                  kHalf);
    ConvOptions back = options;
    back.padding = 0;
    const Tensor wt = exact_noise(weight, random), bt = exact_noise({cin}, random);
    const Tensor xt = exact_noise(map_of(1, dims, 2, 4, cout, random), random);
    table.compare(
        {"conv_transpose", {xt, wt, bt}, [=](const auto& in) { return conv_transpose(in[0], in[1], in[2], back); }},
        1e-5, 1e-12, kHalf);
  }
  // Single voxels: a product.
  for (const Shape& shape : {Shape{2, 5, 7, 6}, Shape{1, 1, 1, 1, 3}, Shape{3, 11, 4}}) {
    Shape weight{5};
    for (int axis = 0; axis < shape.spatial_dims(); ++axis) weight.push_back(1);
    weight.push_back(shape[-1]);
    table.compare({"conv 1x1",
                   {exact_noise(shape, random), exact_noise(weight, random), exact_noise({5}, random)},
                   [](const auto& in) { return conv(in[0], in[1], in[2]); }},
                  1e-5, 1e-12, kHalf);
    table.compare({"conv 1x1, wide",
                   {exact_noise(shape, random), exact_noise(weight, random), exact_noise({5}, random)},
                   [](const auto& in) { return conv(in[0], in[1], wide(in[2]), {.f32_output = true}); }},
                  1e-5, 1e-12, kHalf);
  }
}

TEST_CASE("weights that lie anywhere in a buffer") {
  if (!has_device(Device::cuda)) return;
  Random random(22);
  const Tensor x = noise({1, 9, 9, 4}, DType::f32, random), buffer = noise({1 + 8 * 9 * 4}, DType::f32, random);
  const Tensor expected = conv(x, buffer.alias(1, {8, 3, 3, 4}));
  const Tensor got = conv(x.to(Device::cuda), buffer.to(Device::cuda).alias(1, {8, 3, 3, 4}));
  CHECK(worst_error({got.to(Device::cpu)}, {expected}) < 1e-5);
}

TEST_CASE("products on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(23);
  for (int i = 0; i < 16; ++i) {
    const std::int64_t m = 1 + random.below(40), n = 1 + random.below(40), k = 1 + random.below(40);
    const MatmulOptions options{i % 2 == 1, i / 2 % 2 == 1};
    const Tensor a = exact_noise(options.transpose_a ? Shape{k, m} : Shape{m, k}, random),
                 b = exact_noise(options.transpose_b ? Shape{n, k} : Shape{k, n}, random);
    table.compare({"matmul", {a, b}, [=](const auto& in) { return matmul(in[0], in[1], options); }}, 1e-5, 1e-12,
                  kHalf);
  }
}

TEST_CASE("normalisation on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(24);
  for (int i = 0; i < 24; ++i) {
    const std::int64_t channels = i % 3 == 0 ? 8 * (1 + random.below(4)) : 1 + random.below(30);
    // Two voxels at least, values away from zero: f32 then has digits left for the differences.
    const Shape shape = map_of(1 + random.below(3), 1 + i % 3, 2, i % 5 == 0 ? 20 : 7, channels, random);
    std::vector<std::int64_t> divisors;
    for (std::int64_t d = 1; d <= channels; ++d)
      if (channels % d == 0) divisors.push_back(d);
    const std::int64_t groups =
        divisors[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(divisors.size())))];
    NormOptions options;
    options.activation = i % 4 == 0 ? Activation::none : i % 4 == 1 ? Activation::relu : Activation::leaky_relu;
    const Tensor x = exact_noise(shape, random, 0.5), gamma = exact_noise({channels}, random),
                 beta = exact_noise({channels}, random);
    table.compare({"group_norm",
                   {x, gamma, beta},
                   [=](const auto& in) { return normalise(in[0], with(options, groups, wide(in[1]), wide(in[2]))); }},
                  1e-4, 1e-11, kHalf);
    table.compare({"instance_norm", {x}, [=](const auto& in) { return normalise(in[0], with(options, channels)); }},
                  1e-4, 1e-11, kHalf);
    for (const bool training : {true, false})
      table.compare({training ? "batch_norm, training" : "batch_norm",
                     {x, gamma, beta},
                     [=](const auto& in) {
                       const DType type = wide(in[0].detach()).dtype();
                       const Tensor mean = full({channels}, 0.25, type, in[0].device()),
                                    var = full({channels}, 2, type, in[0].device());
                       NormOptions all = with(options, 0, wide(in[1]), wide(in[2]));
                       all.running_mean = mean;
                       all.running_var = var;
                       all.training = training;
                       const Tensor y = normalise(in[0], all);
                       return y + reshape((mean + var).to(y.dtype()), [&] {
                                Shape s = Shape::filled(y.dims(), 1);
                                s[-1] = channels;
                                return s;
                              }());
                     }},
                    1e-4, 1e-11, kHalf);
  }
}

TEST_CASE("pooling and upsampling on the card") {
  if (!has_device(Device::cuda)) return;
  ParityTable table;
  Random random(25);
  for (int i = 0; i < 30; ++i) {
    const int dims = 1 + i % 3;
    const std::int64_t channels = i % 2 == 0 ? 4 * (1 + random.below(4)) : 1 + random.below(9);
    const Extents window = random_extents(dims, 1, 3, random);
    const Tensor x = exact_noise(map_of(1 + random.below(2), dims, 3, 8, channels, random), random);
    table.compare({"max_pool", {x}, [=](const auto& in) { return max_pool(in[0], window); }}, 0, 0, 0);
    table.compare(
        {"upsample nearest", {x}, [=](const auto& in) { return upsample(in[0], Upsampling::nearest, window); }}, 1e-6,
        1e-12, kHalf);
    table.compare({"upsample linear", {x}, [=](const auto& in) { return upsample(in[0], Upsampling::linear, window); }},
                  2e-6, 1e-12, kHalf);
  }
}

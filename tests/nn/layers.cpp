#include "nn/layers.h"

#include "tests/nn/common.h"

using namespace voxgrad;
using test::contains;
using test::error_of;
using test::near;
using test::wave;

namespace {

std::string names(const nn::Module& module) {
  std::string all;
  for (const NamedTensor& entry : module.state()) all += entry.name + ' ';
  return all;
}

std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

void set(const nn::Module& module, std::size_t parameter, const std::vector<float>& numbers) {
  const Tensor tensor = module.parameters()[parameter].tensor;
  test::overwrite(tensor, from_vector(tensor.shape(), numbers));
}

void check_gradient(nn::Module& module, const Tensor& x, const std::string& what) {
  const GradcheckResult result = test::gradcheck_module(module, x, [&](const Tensor& input) {
    module.set_step(3, 1);
    return module(input);
  });
  CHECK_MESSAGE(result.ok, what << ": " << result.worst << " at " << result.where);
}

}  // namespace

TEST_CASE("a convolution pads to the same extents, its bias starts at zero") {
  nn::Conv layer(1, 1, 1, {}, Random(1));
  CHECK(names(layer) == "weight bias ");
  CHECK(values(layer.parameters()[1].tensor) == std::vector<double>{0});
  set(layer, 0, {1, 2, 3});
  set(layer, 1, {10});
  CHECK(values(layer(full({1, 4, 1}, 1))) == std::vector<double>{15, 16, 16, 13});
  nn::Conv plane(3, 2, 5, {.kernel = {1, 3, 5}, .bias = false}, Random(1));
  CHECK(names(plane) == "weight ");
  CHECK(plane.state()[0].tensor.shape() == Shape({5, 2, 1, 3, 5}));
  CHECK(plane(full({2, 3, 4, 5, 2}, 1)).shape() == Shape({2, 3, 4, 5, 5}));
}

TEST_CASE("a transposed convolution writes one window per voxel") {
  nn::ConvTranspose layer(2, 1, 1, {1, 2}, nn::Init::he, Random(1));
  CHECK(layer.state()[0].tensor.shape() == Shape({1, 1, 1, 2}));
  set(layer, 0, {2, 3});
  set(layer, 1, {1});
  CHECK(values(layer(from_vector<float>({1, 2, 1, 1}, {1, 10}))) == std::vector<double>{3, 4, 21, 31});
}

TEST_CASE("layers refuse what they cannot be") {
  const auto conv = [](int dims, std::int64_t in, Extents kernel) {
    return error_of([&] { nn::Conv(dims, in, 1, {.kernel = kernel}, Random(1)); });
  };
  CHECK(contains(conv(4, 1, 3), "1 to 3 spatial axes, got 4"));
  CHECK(contains(conv(2, 0, 3), "channels must be at least 1, got 0 -> 1"));
  CHECK(contains(conv(2, 1, 2), "an even kernel (2)"));
  CHECK(contains(conv(2, 1, {1, 3, 3}), "3 extents for 2 spatial axes"));
  CHECK(contains(conv(2, 1, -1), "extent -1"));
  CHECK(contains(error_of([] { nn::Dropout(1.0); }), "probability 1 outside [0, 1)"));
  CHECK(contains(error_of([] { nn::NormLayer(0, {}); }), "channels must be at least 1, got 0"));
  nn::NormLayer instance(2, {});
  CHECK(contains(error_of([&] { instance(full({4, 1, 1, 2}, 1)); }), "single voxel, x is [4, 1, 1, 2]\nhint: "));
  nn::NormLayer narrow(4, {.kind = nn::Norm::group}), wide(16, {.kind = nn::Norm::group});
  CHECK(contains(error_of([&] {
                   narrow(full({4, 1, 1, 4}, 1));
                 }),
                 "one value, that of a single voxel, x is [4, 1, 1, 4]"));
  CHECK(error_of([&] { wide(full({4, 1, 1, 16}, 1)); }).empty());  // two channels per group
  CHECK(contains(error_of([&] { instance(Tensor()); }), "normalise: an undefined tensor was given"));
  CHECK(contains(error_of([&] { instance(zeros({4, 2})); }), "got [4, 2]"));
  const nn::Conv plain(2, 1, 1, {}, Random(1));
  CHECK(contains(error_of([&] { plain.forward(std::vector<FeatureMap>{}); }), "conv: no input"));
  nn::ConvBlock residual(2, 2, 2, {.residual = true}, Random(1));
  const Tensor half = zeros({1, 4, 4, 1});
  CHECK(contains(error_of([&] { residual.forward(std::vector<FeatureMap>{half, half}); }), "takes one map, got 2"));
}

TEST_CASE("norms: parameters, buffers, and what is normalised") {
  CHECK(names(nn::NormLayer(4, {.kind = nn::Norm::batch})) == "weight bias running_mean running_var ");
  CHECK(names(nn::NormLayer(4, {.kind = nn::Norm::group})) == "weight bias ");
  CHECK(names(nn::NormLayer(4, {.kind = nn::Norm::none})).empty());
  const Tensor x = wave({2, 3, 5, 12}, 0, DType::f32);
  const auto same = [&](nn::Norm kind, const Tensor& expected) {
    nn::NormLayer layer(12, {.kind = kind, .activation = Activation::leaky_relu, .slope = 0.2});
    return test::same_bits(layer(x), expected);
  };
  const Tensor one = full({12}, 1), zero = full({12}, 0);
  NormOptions options{.groups = 12, .gamma = one, .beta = zero, .activation = Activation::leaky_relu, .slope = 0.2};
  CHECK(same(nn::Norm::instance, normalise(x, options)));
  options.groups = 4;  // gcd(12, 8)
  CHECK(same(nn::Norm::group, normalise(x, options)));
  options.groups = 0;
  options.running_mean = zero.clone();
  options.running_var = one.clone();
  CHECK(same(nn::Norm::batch, normalise(x, options)));
  CHECK(same(nn::Norm::none, leaky_relu(x, 0.2)));
}

TEST_CASE("batch norm keeps PyTorch's running statistics: momentum 0.1, unbiased variance") {
  nn::NormLayer layer(2, {.kind = nn::Norm::batch});
  layer.to(DType::f64);
  // Channel 0: 1, 3, 5, 7: mean 4, unbiased variance 20 / 3. Channel 1: constant 2.
  const Tensor x = from_vector<double>({2, 2, 2}, {1, 2, 3, 2, 5, 2, 7, 2});
  const Tensor y = layer(x);
  CHECK(near(y.data<double>()[0], -3 / std::sqrt(5 + 1e-5), 1e-12));
  const auto statistics = [&](std::size_t i) { return values(layer.buffers()[i].tensor); };
  CHECK(near(statistics(0)[0], 0.4));
  CHECK(near(statistics(0)[1], 0.2));
  CHECK(near(statistics(1)[0], 0.9 + 0.1 * 20 / 3));
  CHECK(near(statistics(1)[1], 0.9));
  layer(x);
  CHECK(near(statistics(0)[0], 0.76));
  CHECK(near(statistics(1)[0], 0.9 * (0.9 + 2.0 / 3) + 2.0 / 3));
  layer.train(false);
  const Tensor evaluated = layer(x);
  CHECK(near(statistics(0)[0], 0.76));  // evaluation does not move them
  CHECK(near(evaluated.data<double>()[0], (1 - 0.76) / std::sqrt(statistics(1)[0] + 1e-5)));
}

TEST_CASE("dropout drops whole channels of a sample, in training only") {
  nn::Dropout layer(0.5);
  const Tensor x = full({8, 3, 3, 16}, 1);
  layer.set_step(1, 0);
  const std::vector<double> y = values(layer(x));
  std::size_t kept = 0;
  bool whole = true;
  for (std::size_t n = 0; n < 8; ++n)
    for (std::size_t c = 0; c < 16; ++c) {
      const double first = y[n * 144 + c];
      kept += first == 2;
      for (std::size_t voxel = 0; voxel < 9; ++voxel) whole &= y[(n * 9 + voxel) * 16 + c] == first;
      whole &= first == 0 || first == 2;
    }
  CHECK(whole);
  CHECK(kept > 40);
  CHECK(kept < 88);
  layer.train(false);
  CHECK(layer(x).raw() == x.raw());
}

TEST_CASE("dropout: a run resumed at a step has the masks of that step") {
  const Tensor x = full({4, 2, 2, 8}, 1);
  nn::Dropout whole(0.5), resumed(0.5);
  std::vector<Tensor> masks;
  for (std::int64_t step = 0; step < 4; ++step) {
    whole.set_step(9, step);
    masks.push_back(whole(x));
    masks.push_back(whole(x));  // a second call in one step, for instance a second half batch
  }
  CHECK(!test::same_bits(masks[4], masks[5]));
  CHECK(!test::same_bits(masks[4], masks[6]));
  resumed.set_step(9, 2);
  CHECK(test::same_bits(resumed(x), masks[4]));
  CHECK(test::same_bits(resumed(x), masks[5]));
  resumed.set_step(9, 3);
  CHECK(test::same_bits(resumed(x), masks[6]));
}

TEST_CASE("a block has the names of PyTorch, and no bias where a norm takes it away again") {
  CHECK(names(nn::ConvBlock(2, 3, 4, {}, Random(1))) ==
        "conv1.weight norm1.weight norm1.bias conv2.weight norm2.weight norm2.bias ");
  CHECK(names(nn::ConvBlock(2, 3, 4, {.norm = nn::Norm::none}, Random(1))) ==
        "conv1.weight conv1.bias conv2.weight conv2.bias ");
  CHECK(names(nn::ConvBlock(2, 3, 4, {.norm = nn::Norm::none, .residual = true}, Random(1))) ==
        "conv1.weight conv1.bias conv2.weight conv2.bias shortcut.weight shortcut.bias ");
  CHECK(!contains(names(nn::ConvBlock(2, 4, 4, {.residual = true}, Random(1))), "shortcut"));
}

TEST_CASE("a residual block adds its input before the last activation") {
  nn::ConvBlock block(2, 2, 2, {.activation = Activation::relu, .residual = true}, Random(1));
  const Tensor x = wave({1, 4, 4, 2}, 0, DType::f32);
  for (const NamedTensor& entry : block.parameters())
    if (entry.name == "norm2.weight") test::overwrite(entry.tensor, zeros({2}));
  CHECK(test::same_bits(block(x).detach(), relu(x)));
}

TEST_CASE("gradients of the layers") {
  const Tensor line = wave({2, 5, 3}, 0), image = wave({2, 3, 4, 3}, 0), volume = wave({1, 2, 3, 2, 3}, 0);
  for (const nn::Init init : {nn::Init::he, nn::Init::orthogonal}) {
    nn::Conv conv1(1, 3, 2, {.init = init}, Random(1));
    nn::Conv conv2(2, 3, 2, {.bias = false, .init = init}, Random(1));
    nn::Conv conv3(3, 3, 2, {.kernel = {1, 3, 1}, .init = init}, Random(1));
    nn::ConvTranspose up2(2, 3, 2, 2, init, Random(1));
    nn::ConvTranspose up3(3, 3, 2, {1, 2, 3}, init, Random(1));
    check_gradient(conv1, line, "conv 1-D");
    check_gradient(conv2, image, "conv 2-D");
    check_gradient(conv3, volume, "conv 3-D");
    check_gradient(up2, image, "transposed 2-D");
    check_gradient(up3, volume, "transposed 3-D");
  }
  nn::Dropout dropout(0.4);
  check_gradient(dropout, image, "dropout");
}

TEST_CASE("gradients of the norms") {
  const Tensor image = wave({2, 3, 4, 4}, 0), volume = wave({2, 2, 3, 2, 4}, 0);
  for (const nn::Norm kind : {nn::Norm::batch, nn::Norm::instance, nn::Norm::group, nn::Norm::none})
    for (const Activation activation : {Activation::none, Activation::relu, Activation::leaky_relu}) {
      nn::NormLayer layer(4, {.kind = kind, .activation = activation});
      check_gradient(layer, image, text(nth(nn::norm_names(), static_cast<int>(kind)), " 2-D in training"));
      check_gradient(layer, volume, text(nth(nn::norm_names(), static_cast<int>(kind)), " 3-D in training"));
      layer.train(false);
      check_gradient(layer, image, text(nth(nn::norm_names(), static_cast<int>(kind)), " 2-D in evaluation"));
    }
}

TEST_CASE("gradients of the block with every option") {
  const Tensor image = wave({2, 4, 3, 2}, 0), volume = wave({1, 3, 2, 3, 2}, 0);
  for (const nn::Norm norm : {nn::Norm::batch, nn::Norm::instance, nn::Norm::group, nn::Norm::none})
    for (const bool residual : {false, true}) {
      const nn::ConvBlockOptions options{.norm = norm, .residual = residual, .dropout = 0.3};
      nn::ConvBlock flat(2, 2, 4, options, Random(1)), deep(3, 2, 2, options, Random(1));
      check_gradient(flat, image,
                     text("2-D ", nth(nn::norm_names(), static_cast<int>(norm)), residual ? " residual" : ""));
      check_gradient(deep, volume,
                     text("3-D ", nth(nn::norm_names(), static_cast<int>(norm)), residual ? " residual" : ""));
    }
}

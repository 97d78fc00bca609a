#include "nn/sequential.h"

#include "nn/layers.h"
#include "nn/optimizer.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using test::contains;
using test::error_of;
using test::wave;

TEST_CASE("linear: rows of the last axis times the weight, plus the bias") {
  nn::Linear layer(3, 2, Random(1));
  copy_into(layer.parameters()[0].tensor, tensor({{1, 2, 3}, {0, 0, 1}}));
  copy_into(layer.parameters()[1].tensor, tensor({10, 20}));
  CHECK(allclose(layer(tensor({{1, 1, 1}, {1, 0, 2}})), tensor({{16, 21}, {17, 22}})));
  CHECK(layer(zeros({2, 4, 5, 3})).shape() == Shape({2, 4, 5, 2}));
  CHECK(contains(error_of([&] { layer(zeros({2, 4})); }), "linear layer: takes [.., 3], got f32 [2, 4]"));
  CHECK(contains(error_of([] { nn::Linear(0, 1, Random(1)); }), "channels must be at least 1, got 0 -> 1"));
  const GradcheckResult result = test::gradcheck_module(layer, wave({2, 2, 3}, 0));
  CHECK_MESSAGE(result.ok, result.worst << " at " << result.where);
}

TEST_CASE("a sequence has PyTorch's names, and each layer weights of its own") {
  nn::Sequential net(Random(1));
  net.add<nn::Linear>(4, 4).add(relu).add<nn::Linear>(4, 4);
  std::string names;
  for (const NamedTensor& entry : net.state()) names += entry.name + ' ';
  CHECK(names == "0.weight 0.bias 2.weight 2.bias ");
  const std::vector<NamedTensor> parameters = net.parameters();
  CHECK(!allclose(parameters[0].tensor, parameters[2].tensor));
  const Tensor x = wave({3, 4}, 0, DType::f32);
  CHECK(nn::Sequential(Random(1))(x).raw() == x.raw());
}

TEST_CASE("a layer that was refused is not in the sequence") {
  nn::Sequential net(Random(1));
  net.add<nn::Linear>(2, 2, Random(7));
  CHECK(test::contains(test::error_of([&] { net.add<nn::Linear>(2, 2, Random(7)); }), "the same random numbers"));
  CHECK(net.parameters().size() == 2);
  net.add<nn::Linear>(2, 3, Random(8));
  CHECK(net(wave({1, 2}, 0, DType::f32)).shape() == Shape{1, 3});
}

TEST_CASE("layers of images stand in a sequence as well") {
  nn::Sequential net(Random(1));
  net.add<nn::Conv>(2, 1, 4, nn::ConvLayerOptions{.bias = false, .slope = 0})
      .add<nn::NormLayer>(4, nn::NormLayerOptions{.activation = Activation::relu})
      .add([](const Tensor& x) { return max_pool(x); })
      .add<nn::ConvBlock>(2, 4, 8, nn::ConvBlockOptions{})
      .add<nn::Dropout>(0.5)
      .add([](const Tensor& x) {
        return mean(x, {1, 2});
      })
      .add<nn::Linear>(8, 3);
  const Tensor x = wave({2, 8, 8, 1}, 0, DType::f32);
  CHECK(net(x).shape() == Shape({2, 3}));
  const auto masked = [&](std::int64_t step) {
    net.set_step(1, step);
    return net(x).detach();
  };
  CHECK(allclose(masked(0), masked(0)));
  CHECK(!allclose(masked(0), masked(1)));
}

TEST_CASE("an empty function is no layer") {
  nn::Sequential net(Random(1));
  CHECK(test::contains(test::error_of([&] { net.add(std::function<Tensor(const Tensor&)>()); }), "added as layer 0"));
}

TEST_CASE("two linear layers learn exclusive or") {
  nn::Sequential net(Random(1));
  net.add<nn::Linear>(2, 8).add(voxgrad::tanh).add<nn::Linear>(8, 1);
  const Tensor x = tensor({{0, 0}, {0, 1}, {1, 0}, {1, 1}}), truth = tensor({{0}, {1}, {1}, {0}});
  const auto optimizer = nn::make_optimizer("adam", net);
  double error = 1;
  for (int step = 0; step < 300; ++step) {
    net.zero_grad();
    const Tensor value = mean(square(net(x) - truth));
    value.backward();
    optimizer->step(0.02);
    error = value.item();
  }
  CHECK_MESSAGE(error < 1e-3, "mean squared error " << error);
}

TEST_CASE("a layer that returns no tensor is named") {
  nn::Sequential net(Random(1));
  net.add(relu).add([](const Tensor&) { return Tensor(); }).add(relu);
  CHECK(contains(error_of([&] { net(zeros({2})); }), "sequential: layer 1 returned an undefined tensor"));
}

// Expect: "error of the gradient 1e-09" (below 1e-6), and then the refusal of a wrong derivative.
//
// A layer of your own is a function of its input and its parameters. This one is the squeeze-and-excitation gate (Hu et
// al., CVPR 2018), with a tanh in the place of their ReLU, which has a kink: every channel is multiplied by a number in
// (0, 1) that depends on the means of all channels. gradcheck() compares backward() with difference quotients of the
// function, for the input and each parameter.
#include <cstdio>

#include "engine/gradcheck.h"
#include "engine/ops.h"
#include "nn/layers.h"
#include "nn/sequential.h"

using namespace voxgrad;

namespace {

// x [N, H, W, C], down [C / 4, C], up [C, C / 4].
Tensor gate(const Tensor& x, const Tensor& down, const Tensor& up) {
  const Tensor means = mean(x, {1, 2});  // [N, C]
  const Tensor hidden = tanh(matmul(means, down, {.transpose_b = true}));
  const Tensor factors = sigmoid(matmul(hidden, up, {.transpose_b = true}));
  return x * reshape(factors, {x.extent(0), 1, 1, x.extent(3)});  // broadcast over the pixels
}

class Gate final : public nn::Module {
 public:
  Gate(std::int64_t channels, const Random& random) {
    const Random first = nn::stream(random, "down"), second = nn::stream(random, "up");
    down_ = nn::he_normal({channels / 4, channels}, channels, 1, first).to(DType::f32);
    up_ = nn::he_normal({channels, channels / 4}, channels / 4, 1, second).to(DType::f32);
    add_parameter("down", down_, first.key());
    add_parameter("up", up_, second.key());
  }
  Tensor forward(const Tensor& x) override { return gate(x, down_, up_); }

 private:
  Tensor down_, up_;
};

// x^3 with a derivative that lacks a factor, as it happens.
Tensor wrong_cube(const Tensor& x) {
  const Tensor value = x.detach();
  return record("wrong_cube", value * value * value, {{x, [value](const Tensor& dy) { return dy * square(value); }}});
}

}  // namespace

int main() {
  const auto normal = [](const Shape& shape, std::uint64_t key) { return random_normal(shape, key, 0, 1, DType::f64); };
  const GradcheckResult result = gradcheck([](const auto& in) { return gate(in[0], in[1], in[2]); },
                                           {normal({2, 3, 5, 8}, 1), normal({2, 8}, 2), normal({8, 2}, 3)});
  std::printf("error of the gradient %.0e in %lld elements\n", result.worst, static_cast<long long>(result.checked));
  const GradcheckResult wrong = gradcheck([](const auto& in) { return wrong_cube(in[0]); }, {normal({5}, 4)});
  std::printf("a wrong derivative is refused: %s\n", wrong.ok ? "no" : wrong.where.c_str());

  nn::Sequential net(Random(1));  // the layer in a network, where its parameters have names
  net.add<nn::Conv>(2, 1, 8, nn::ConvLayerOptions{.slope = 0}).add(relu).add<Gate>(8);
  for (const NamedTensor& parameter : net.parameters())
    std::printf("%s %s\n", parameter.name.c_str(), describe(parameter.tensor).c_str());
  std::printf("%s\n", describe(net(random_normal({1, 16, 16, 1}, 5))).c_str());
  return result.ok && !wrong.ok ? 0 : 1;
}

// The sequences were computed with torch.optim (reference.py beside this file).
#include "nn/optimizer.h"

#include <limits>

#include "engine/backend.h"
#include "nn/layers.h"
#include "nn/sequential.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using test::contains;
using test::error_of;
using test::near;

namespace {

struct Weights final : nn::Module {
  Tensor w = from_vector<double>({3}, {0.5, -1.25, 2});
  Tensor seen = from_vector<double>({2}, {0, 8});
  Weights() {
    add_parameter("w", w);
    add_buffer("seen", seen);
  }
  Tensor forward(const Tensor& x) override { return x; }
};

void set_gradient(Weights& net, const std::vector<double>& gradient) {
  test::overwrite(net.flat_gradients(), from_vector(Shape{3}, gradient));
}

// The gradient of step s = 0, 1, .. depends on the weights: (0.3, -0.2, 1.5) (s + 1) - w / 2; the rate is 0.1 / (s +
// 1).
void advance(Weights& net, nn::Optimizer& optimizer, int first, int last, double scale = 1) {
  for (int step = first; step < last; ++step) {
    const std::vector<double> w = net.flat_parameters().to_vector<double>();
    const double n = step + 1;
    set_gradient(net, {(0.3 * n - w[0] / 2) / scale, (-0.2 * n - w[1] / 2) / scale, (1.5 * n - w[2] / 2) / scale});
    optimizer.step(0.1 / n, scale);
  }
}

void check_sequence(const char* name, const nn::OptimizerOptions& options, const std::vector<double>& expected) {
  for (const double scale : {1.0, 0.25}) {
    Weights net;
    const auto optimizer = nn::make_optimizer(name, net, options);
    advance(net, *optimizer, 0, 3, scale);
    const std::vector<double> w = net.flat_parameters().to_vector<double>();
    for (std::size_t i = 0; i < 3; ++i)
      CHECK_MESSAGE(near(w[i], expected[i], 1e-13),
                    name << " element " << i << ": " << w[i] << ", not " << expected[i]);
    CHECK(optimizer->steps() == 3);
  }
}

}  // namespace

TEST_CASE("three steps of every optimiser are PyTorch's") {
  check_sequence("sgd", {.momentum = 0}, {0.45533125, -1.306559375, 1.7295625});
  check_sequence("sgd", {.weight_decay = 0.01}, {0.43966869075, -1.341150652708333, 1.626686258});
  check_sequence("sgd", {.nesterov = true}, {0.40138166875, -1.396149565625, 1.3913291875});
  check_sequence("adam", {.weight_decay = 0.01}, {0.3295999941577943, -1.426359736625923, 1.825800222406178});
  check_sequence("adamw", {.weight_decay = 0.1}, {0.3218854097767118, -1.402612391454574, 1.790573665233282});
}

TEST_CASE("an optimiser restored from its state goes on with the same bits") {
  for (const char* name : {"sgd", "adam", "adamw"}) {
    Weights whole, resumed;
    const auto a = nn::make_optimizer(name, whole), b = nn::make_optimizer(name, resumed);
    advance(whole, *a, 0, 2);
    const std::vector<NamedTensor> state = a->state();
    resumed.load_state(whole.state());
    b->load_state(state, a->steps());
    advance(whole, *a, 2, 5);
    advance(resumed, *b, 2, 5);
    CHECK_MESSAGE(test::same_bits(whole.flat_parameters(), resumed.flat_parameters()), name);
    b->load_state(state, 2);  // the steps since then have not changed the saved tensors
    CHECK_MESSAGE(test::same_bits(b->state()[0].tensor, state[0].tensor), name);
  }
}

TEST_CASE("what an optimiser saves, and what it refuses") {
  Weights net;
  const auto names = [&](const char* name, const nn::OptimizerOptions& options) {
    std::string all;
    for (const NamedTensor& entry : nn::make_optimizer(name, net, options)->state()) all += entry.name + ' ';
    return all;
  };
  CHECK(names("sgd", {.momentum = 0}).empty());
  CHECK(names("sgd", {}) == "momentum ");
  CHECK(names("adamw", {}) == "first second ");
  const auto adam = nn::make_optimizer("adam", net);
  std::vector<NamedTensor> state = adam->state();
  state[1].tensor = zeros({4}, DType::f64);
  CHECK(contains(error_of([&] { adam->load_state(state, 1); }), "\"second\" is f64 [4], expected f64 [3]"));
  CHECK(contains(error_of([&] { adam->load_state({}, 1); }), "\"first\" is missing"));
  const auto sgd = nn::make_optimizer("sgd", net);
  state[0].name = "momentum";
  CHECK(contains(error_of([&] { sgd->load_state(state, 1); }), "2 tensors, expected 1"));
}

TEST_CASE("an unknown optimiser or an impossible option is named") {
  Weights net;
  CHECK(contains(error_of([&] { nn::make_optimizer("adamv", net); }), "known: sgd, adam, adamw)\nhint: did you mean"));
  const auto message = [&](const char* name, const nn::OptimizerOptions& options) {
    return error_of([&] { nn::make_optimizer(name, net, options); });
  };
  CHECK(contains(message("sgd", {.momentum = 1}), "momentum is 1, must be in [0, 1)"));
  CHECK(contains(message("sgd", {.momentum = 0, .nesterov = true}), "above 0 for nesterov"));
  CHECK(contains(message("adam", {.weight_decay = -1}), "weight_decay is -1"));
  CHECK(contains(message("adam", {.beta1 = 1}), "beta1 is 1"));
  CHECK(contains(message("adamw", {.eps = 0}), "eps is 0"));
  CHECK(contains(message("adamw", {.eps = 1e-50}), "eps is 1e-50, must be 1e-45 or above"));
  CHECK(message("adamw", {.eps = 1e-45}).empty());
  CHECK(contains(error_of([&] { nn::make_optimizer("sgd", net)->step(-1); }), "learning rate is -1"));
  CHECK(contains(error_of([&] { nn::make_optimizer("sgd", net)->step(std::nan("")); }), "learning rate is nan"));
}

TEST_CASE("an optimiser follows its module into another type") {
  Weights net;
  const auto optimizer = nn::make_optimizer("sgd", net);
  advance(net, *optimizer, 0, 1);
  net.to(DType::f32);
  optimizer->step(0.1);
  CHECK(optimizer->state()[0].tensor.dtype() == DType::f32);
  CHECK(net.flat_parameters().data<float>()[0] != 0.5f);
}

TEST_CASE("clipping scales to the norm, returns the one before, and shows NaN and infinity") {
  Weights net;
  set_gradient(net, {3, 0, -4});
  CHECK(nn::clip_gradients(net, 10) == 5);
  CHECK(net.flat_gradients().to_vector<double>() == std::vector<double>{3, 0, -4});
  CHECK(nn::clip_gradients(net, 2.5) == 5);
  CHECK(net.flat_gradients().to_vector<double>() == std::vector<double>{1.5, 0, -2});
  CHECK(nn::clip_gradients(net, std::numeric_limits<double>::infinity()) == 2.5);
  set_gradient(net, {1, std::nan(""), 1});
  CHECK(std::isnan(nn::clip_gradients(net, 1)));
  CHECK(net.flat_gradients().data<double>()[0] == 1);
  set_gradient(net, {1, std::numeric_limits<double>::infinity(), 1});
  CHECK(std::isinf(nn::clip_gradients(net, 1)));
  CHECK(net.flat_gradients().data<double>()[0] == 1);
  CHECK(contains(error_of([&] { nn::clip_gradients(net, 0); }), "max_norm is 0"));
}

TEST_CASE("the moving average warms up, averages parameters and buffers, and changes places with them") {
  Weights net;
  nn::Ema ema(net, 0.9);
  net.flat_parameters().data<double>()[0] = 1.5;
  net.seen.data<double>()[0] = 11;
  ema.update();  // decay 2 / 11
  ema.swap();
  CHECK(near(net.flat_parameters().data<double>()[0], 0.5 + 9.0 / 11, 1e-14));
  CHECK(near(net.seen.data<double>()[0], 9, 1e-14));
  CHECK(net.seen.data<double>()[1] == 8);
  ema.swap();
  CHECK(net.flat_parameters().data<double>()[0] == 1.5);
  CHECK(net.seen.data<double>()[0] == 11);
  ema.update();  // decay 3 / 12
  ema.swap();
  CHECK(near(net.flat_parameters().data<double>()[0], 1.5 - 0.25 * 2 / 11, 1e-14));
  ema.swap();
  for (int i = 0; i < 200; ++i) ema.update();
  net.flat_parameters().data<double>()[0] = 2.5;
  ema.update();  // the decay has reached 0.9
  ema.swap();
  CHECK(near(net.flat_parameters().data<double>()[0], 1.6, 1e-12));
}

TEST_CASE("the moving average goes on from its state") {
  Weights net;
  nn::Ema whole(net, 0.99), resumed(net, 0.99);
  const auto move = [&](double x) { net.flat_parameters().data<double>()[1] = x; };
  move(3);
  whole.update();
  const std::vector<NamedTensor> state = whole.state();
  REQUIRE(state.size() == 2);
  CHECK(state[0].name == "parameters");
  CHECK(state[1].name == "buffers.seen");
  resumed.load_state(state, whole.updates());
  move(-1);
  whole.update();
  resumed.update();
  CHECK(test::same_bits(whole.state()[0].tensor, resumed.state()[0].tensor));
  CHECK(!test::same_bits(whole.state()[0].tensor, state[0].tensor));
  CHECK(contains(error_of([&] { resumed.load_state({state[0]}, 1); }), "moving average: \"buffers.seen\" is missing"));
  CHECK(contains(error_of([&] { nn::Ema(net, 1); }), "decay of the moving average is 1"));
}

TEST_CASE("a module that has grown since the optimizer was made is refused") {
  for (const char* name : {"sgd", "adam"}) {
    nn::Sequential net(Random(1));
    const auto optimizer = nn::make_optimizer(name, net.add<nn::Linear>(2, 2));
    net.add<nn::Linear>(2, 2);
    CHECK(contains(error_of([&] { optimizer->step(0.1); }), "made for 6 parameters, the module now has 12"));
  }
  nn::Sequential net(Random(1));
  net.add<nn::Linear>(2, 2);
  nn::Ema average(net, 0.9);
  net.add<nn::NormLayer>(2, nn::NormLayerOptions{.kind = nn::Norm::batch});
  CHECK(contains(error_of([&] { average.update(); }), "the module has grown"));
  CHECK(contains(error_of([&] { average.swap(); }), "the module has grown"));
}

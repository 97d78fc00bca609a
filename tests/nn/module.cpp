#include "nn/module.h"

#include <thread>

#include "engine/backend.h"
#include "nn/unet.h"
#include "tests/nn/common.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {

struct Scale final : nn::Module {
  Tensor weight = from_vector<float>({2}, {2, 3});
  Tensor seen = full({2}, 0);
  Scale() {
    add_parameter("weight", weight);
    add_buffer("seen", seen);
  }
  Tensor forward(const Tensor& x) override { return x * weight; }
  std::uint64_t draw() { return next_key(); }
};

// [2, 3, 4]: two filters of three taps over four channels.
struct Pair final : nn::Module {
  Tensor filter = test::wave({2, 3, 4}, 0, DType::f32);
  Scale a, b;
  explicit Pair(bool swapped = false) {
    add_parameter("filter", filter);
    add_module(swapped ? "b" : "a", swapped ? b : a);
    add_module(swapped ? "a" : "b", swapped ? a : b);
  }
  Tensor forward(const Tensor& x) override { return b(a(x)); }
};

struct Twice final : nn::Module {
  Tensor weight = full({1}, 1), other = full({1}, 1);
  Twice() {
    add_parameter("weight", weight);
    add_buffer("weight", other);
  }
  Tensor forward(const Tensor& x) override { return x; }
};

std::string names(const std::vector<NamedTensor>& tensors) {
  std::string all;
  for (const NamedTensor& entry : tensors) all += entry.name + ' ';
  return all;
}

}  // namespace

TEST_CASE("names join with dots in the order of registration") {
  const Pair net;
  CHECK(names(net.parameters()) == "filter a.weight b.weight ");
  CHECK(names(net.buffers()) == "a.seen b.seen ");
  CHECK(names(net.state()) == "filter a.weight b.weight a.seen b.seen ");
  CHECK(net.parameter_count() == 28);
  CHECK(contains(error_of([] { Twice(); }), "name \"weight\" is taken already"));
}

TEST_CASE("a parameter is a leaf, a buffer is not") {
  const Pair net;
  CHECK(net.parameters()[0].tensor.requires_grad());
  CHECK(!net.buffers()[0].tensor.requires_grad());
}

TEST_CASE("the flat buffers alias the parameters and their gradients, both ways") {
  Pair net;
  const Tensor flat = net.flat_parameters();
  REQUIRE(flat.numel() == 28);
  CHECK(flat.data<float>()[24] == 2);
  CHECK(!flat.requires_grad());
  flat.data<float>()[24] = 7;  // a.weight[0]
  CHECK(net.parameters()[1].tensor.to_vector<float>() == std::vector<float>{7, 3});
  const Tensor y = net(from_vector<float>({1, 2}, {1, 10}));
  CHECK(y.to_vector<float>() == std::vector<float>{14, 90});
  sum(y).backward();
  // d/da = x b, d/db = x a; the filter is not used.
  const std::vector<float> gradients = net.flat_gradients().to_vector<float>();
  CHECK(std::vector<float>(gradients.begin() + 24, gradients.end()) == std::vector<float>{2, 30, 7, 30});
  CHECK(gradients[0] == 0);
  CHECK(net.parameters()[1].tensor.grad().raw() == net.flat_gradients().data<float>() + 24);
  sum(net(from_vector<float>({1, 2}, {1, 10}))).backward();
  CHECK(net.flat_gradients().data<float>()[24] == 4);  // the sum of both gradients
  net.zero_grad();
  CHECK(net.flat_gradients().to_vector<float>() == std::vector<float>(28, 0.0f));
}

TEST_CASE("flatten is idempotent, and repairs what a child has flattened for itself") {
  Pair net;
  const void* where = net.flat_parameters().raw();
  net.flatten();
  CHECK(net.flat_parameters().raw() == where);
  CHECK(net.a.flat_parameters().numel() == 2);  // takes a.weight out of the buffer of net
  net.a.flat_parameters().data<float>()[0] = 5;
  CHECK(net.flat_parameters().numel() == 28);
  CHECK(net.flat_parameters().data<float>()[24] == 5);
}

TEST_CASE("gradients survive flatten(), gradients of their own, and a child that was flattened") {
  Pair net;
  const Tensor x = from_vector<float>({1, 2}, {1, 10});
  const auto of_a = [&] { return net.flat_gradients().data<float>()[24]; };  // x b
  sum(net(x)).backward();                                                    // before anything is flat
  CHECK(of_a() == 2);
  CHECK(net.flat_gradients().data<float>()[0] == 0);  // the filter is not used
  const void* const where = net.flat_gradients().raw();
  for (const NamedTensor& entry : net.parameters()) entry.tensor.set_grad({});
  sum(net(x)).backward();
  CHECK(of_a() == 2);                          // neither the sum of both nor the first one again
  CHECK(net.flat_gradients().raw() == where);  // which a recording of the backward pass has written down
  for (const NamedTensor& entry : net.parameters()) entry.tensor.set_grad({});
  CHECK(of_a() == 0);
  sum(net(x)).backward();
  net.a.flatten();
  CHECK(of_a() == 2);
  net.a.zero_grad();
  CHECK(of_a() == 0);
  CHECK(net.flat_gradients().data<float>()[26] == 2);
}

TEST_CASE("a graph that was recorded before flatten() leads to the parameters") {
  Pair net;
  const auto value = [&] { return sum(net(from_vector<float>({1, 2}, {1, 10}))); };
  for (int step = 0; step < 3; ++step) {
    const Tensor loss = value();
    net.zero_grad();    // the order of PyTorch
    net.a.zero_grad();  // the parameters of a move
    loss.backward();
    CHECK(net.flat_gradients().data<float>()[24] == 2);
    CHECK(net.flat_gradients().data<float>()[26] == 2);
  }
  net.to(DType::f64);
  CHECK(net.flat_gradients().to_vector<float>() == std::vector<float>(28, 0.0f));
}

TEST_CASE("a module without parameters has empty flat buffers") {
  struct Nothing final : nn::Module {
    Tensor forward(const Tensor& x) override { return x; }
  } nothing;
  CHECK(nothing.flat_parameters().numel() == 0);
  nothing.zero_grad();
  CHECK(nothing.state().empty());
}

TEST_CASE("to() changes the element type of parameters, gradients and buffers and keeps the values") {
  Pair net;
  const std::vector<float> before = net.flat_parameters().to_vector<float>();
  net.to(DType::f64);
  CHECK(net.flat_gradients().dtype() == DType::f64);
  CHECK(net.buffers()[1].tensor.dtype() == DType::f64);
  CHECK(net.flat_parameters().dtype() == DType::f64);
  CHECK(net.flat_parameters().to_vector<float>() == before);
  CHECK(net(from_vector<double>({1, 2}, {1, 10})).dtype() == DType::f64);
  net.to(DType::f32);
  net.to(Device::cpu);
  CHECK(net.flat_parameters().to_vector<float>() == before);
  CHECK(contains(error_of([&] { net.to(DType::i32); }), "f32 or f64, not i32"));
}

TEST_CASE("state has PyTorch's axis order: the last axis moves to the second place") {
  Pair net;
  const Tensor saved = net.state()[0].tensor;
  REQUIRE(saved.shape() == Shape({2, 4, 3}));
  bool right = true;
  for (std::size_t filter = 0; filter < 2; ++filter)
    for (std::size_t channel = 0; channel < 4; ++channel)
      for (std::size_t tap = 0; tap < 3; ++tap)
        right &= saved.data<float>()[(filter * 4 + channel) * 3 + tap] ==
                 net.filter.data<float>()[(filter * 3 + tap) * 4 + channel];
  CHECK(right);
  // A step after state() does not change the copy.
  net.flat_parameters().backend().fill(net.flat_parameters(), 0);
  CHECK(saved.data<float>()[1] != 0);
}

TEST_CASE("state goes round through load_state, in any order and type, flat or not") {
  Pair source;
  source.a.seen.data<float>()[1] = 42;
  std::vector<NamedTensor> state = source.state();
  std::swap(state[0], state[4]);
  for (NamedTensor& entry : state) entry.tensor = entry.tensor.to(DType::f64);
  state.push_back({"a.norm.num_batches_tracked", full({1}, 3)});
  for (const bool flat : {false, true}) {
    Pair target;
    for (const NamedTensor& entry : target.parameters()) entry.tensor.backend().fill(entry.tensor, -1);
    if (flat) target.flatten();
    target.load_state(state);
    CHECK(test::same_bits(target.flat_parameters(), source.flat_parameters()));
    CHECK(target.a.seen.to_vector<float>() == std::vector<float>{0, 42});
  }
}

TEST_CASE("weights that are stored as bf16 are loaded") {
  const Pair source;
  std::vector<NamedTensor> state = source.state(), rounded = state;
  for (NamedTensor& entry : state) entry.tensor = entry.tensor.to(DType::bf16);
  for (std::size_t i = 0; i < state.size(); ++i) rounded[i].tensor = state[i].tensor.to(DType::f32);
  Pair narrow, wide;
  narrow.load_state(state);
  wide.load_state(rounded);
  CHECK(test::same_bits(narrow.flat_parameters(), wide.flat_parameters()));
}

TEST_CASE("load_state names what does not fit and leaves the module as it was") {
  Pair net;
  const Tensor before = net.flat_parameters().clone();
  const auto message = [&](auto&& change) {
    std::vector<NamedTensor> state = Pair().state();
    for (NamedTensor& entry : state) entry.tensor.backend().fill(entry.tensor, 9);
    change(state);
    return error_of([&] { net.load_state(state); });
  };
  CHECK(contains(message([](auto& s) { s.erase(s.begin() + 1); }), "\"a.weight\" is missing\nhint: "));
  CHECK(contains(message([](auto& s) { s.push_back({"c.weight", full({1}, 0)}); }), "\"c.weight\" is left over"));
  CHECK(contains(message([](auto& s) { s.push_back(s[2]); }), "\"b.weight\" is given twice"));
  CHECK(contains(message([](auto& s) {
                   s[0].tensor = full({2, 3, 4}, 0);
                 }),
                 "\"filter\" is f32 [2, 3, 4], this network has f32 [2, 4, 3]"));
  CHECK(contains(message([](auto& s) { s[1].tensor = full({2}, 0, DType::i32); }), "\"a.weight\" is i32 [2]"));
  CHECK(contains(message([](auto& s) { s[1].tensor = Tensor(); }), "\"a.weight\" is undefined tensor"));
  CHECK(test::same_bits(net.flat_parameters(), before));
  try {
    net.load_state({});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::model);
  }
}

TEST_CASE("two layers from the same random numbers are refused where they meet") {
  struct Twins final : nn::Module {
    nn::Conv a, b;
    Twins(const Random& first, const Random& second) : a(2, 3, 3, {}, first), b(2, 3, 3, {}, second) {
      add_module("a", a);
      add_module("b", b);
    }
    Tensor forward(const Tensor& x) override { return b(a(x)); }
  };
  const Random random(1);
  CHECK(contains(error_of([&] { Twins(random, random); }),
                 "\"a.weight\" and \"b.weight\" were made from the same random numbers\nhint: make each layer"));
  CHECK(error_of([&] { Twins(nn::stream(random, "a"), nn::stream(random, "b")); }).empty());
  struct Tied final : nn::Module {
    nn::Conv conv;
    Tensor weight;
    Tied(const Random& from, const char* name) : conv(2, 4, 4, {.bias = false}, from) {
      const Random own = nn::stream(from, name);
      weight = nn::he_normal({4, 3, 3, 4}, 36, 1, own).to(DType::f32);
      add_parameter("own", weight, own.key());
      add_module("conv", conv);
    }
    Tensor forward(const Tensor& x) override { return conv(x); }
  };
  CHECK(contains(error_of([&] { Tied(random, "weight"); }), "\"own\" and \"conv.weight\" were made from"));
  CHECK(error_of([&] { Tied(random, "own"); }).empty());
}

TEST_CASE("train reaches every child") {
  Pair net;
  CHECK(net.b.training());
  net.train(false);
  CHECK(!net.b.training());
  CHECK(!net.training());
}

TEST_CASE("in evaluation several threads may call a network at once") {
  nn::UNet net({.base = 8, .depth = 3, .dropout = 0.5}, Random(1));
  net.train(false);
  const auto evaluate = [&](double phase) {
    const NoGrad guard;
    return net(test::wave({1, 32, 32, 1}, phase, DType::f32));
  };
  const std::vector<Tensor> alone{evaluate(0), evaluate(1), evaluate(2)};
  for (int repeat = 0; repeat < 5; ++repeat) {
    std::vector<Tensor> together(alone.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < together.size(); ++i)
      threads.emplace_back([&, i] { together[i] = evaluate(static_cast<double>(i)); });
    for (std::thread& thread : threads) thread.join();
    for (std::size_t i = 0; i < together.size(); ++i) CHECK(test::same_bits(together[i], alone[i]));
  }
}

TEST_CASE("keys follow seed, step, name and call, not the order of the layers") {
  Pair net, swapped(true);
  net.set_step(1, 5);
  swapped.set_step(1, 5);
  const std::uint64_t a0 = net.a.draw(), a1 = net.a.draw(), b0 = net.b.draw();
  CHECK(a0 != a1);
  CHECK(a0 != b0);
  CHECK(swapped.b.draw() == b0);
  CHECK(swapped.a.draw() == a0);
  net.set_step(1, 6);
  CHECK(net.a.draw() != a0);
  net.set_step(2, 5);
  CHECK(net.a.draw() != a0);
  net.set_step(1, 5);
  CHECK(net.a.draw() == a0);
  CHECK(net.a.draw() == a1);
}

TEST_CASE("a module that is its own child is refused") {
  struct Own : nn::Module {
    Own() { add_module("own", *this); }
    Tensor forward(const Tensor& x) override { return x; }
  };
  CHECK(contains(error_of([] { Own(); }), "add_module: \"own\" is the module itself"));
}

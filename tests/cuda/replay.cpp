// ctest labels: gpu
// Training steps that are recorded and replayed: the bits of steps that are called, and what cannot be recorded.
#include "engine/replay.h"

#include "tests/test.h"

#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "nn/optimizer.h"
#include "tests/cuda/network.h"
#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Run {
  std::vector<double> losses;
  Tensor parameters, statistics;  // on the host
  std::int64_t called = 0, replayed = 0;
  std::string refusal;
};

struct Way {
  bool recorded = false;
  int steps = 5;
  int other = 5;  // the key changes before this step
  DType type = DType::f32;
};

// Steps on changing batches at a changing rate.
Run train(const nn::UNetConfig& config, const std::string& spec, const Way& way) {
  Random random(31);
  nn::UNet net(config, random.fork(1));
  net.to(Device::cuda);
  const Shape space = config.dims == 2 ? Shape{2, 8, 8} : Shape{2, 4, 4, 8};
  Shape shape = space;
  shape.push_back(config.in_channels);
  const Tensor x = empty(shape, DType::f32, Device::cuda), labels = empty(space, DType::u8, Device::cuda),
               result = zeros({1}, DType::f64, Device::cuda);
  const losses::Loss loss = losses::make_loss(spec);
  const auto optimizer = nn::make_optimizer("adamw", net, {.weight_decay = 0.01});
  Replay replay(Device::cuda);
  Run run;
  for (int step = 0; step < way.steps; ++step) {
    const Tensor image = noise(shape, DType::f32, random);
    std::vector<std::uint8_t> truth(static_cast<std::size_t>(space.numel()));
    for (std::uint8_t& label : truth) label = static_cast<std::uint8_t>(random.below(config.classes));
    x.backend().copy(x.raw(), Device::cuda, image.raw(), Device::cpu, x.bytes());
    labels.backend().copy(labels.raw(), Device::cuda, truth.data(), Device::cpu, labels.bytes());
    const auto work = [&] {
      net.set_step(7, step);
      const Tensor value = loss(net.forward(x.to(way.type)), labels);
      value.backward();
      result.backend().copy(result.raw(), Device::cuda, value.raw(), Device::cuda, result.bytes());
    };
    way.recorded ? replay(step < way.other ? "one" : "other", work) : work();
    nn::clip_gradients(net, 1.0);
    optimizer->step(1e-2 / (1 + step));
    net.zero_grad();
    run.losses.push_back(result.item());
  }
  run.parameters = net.flat_parameters().to(Device::cpu);
  for (const NamedTensor& buffer : net.buffers()) run.statistics = buffer.tensor.to(Device::cpu);
  run.called = replay.called();
  run.replayed = replay.replayed();
  run.refusal = replay.refusal();
  return run;
}

void check_same(const Run& a, const Run& b) {
  CHECK(a.losses == b.losses);
  CHECK(same_bits(a.parameters, b.parameters));
  CHECK((!a.statistics.defined() || same_bits(a.statistics, b.statistics)));
}

}  // namespace

TEST_CASE("replayed steps have the bits of called ones, whatever changes from step to step") {
  if (!has_device(Device::cuda)) return;
  // With weights, the loss sends constants to the card; the second one sorts.
  for (const char* loss : {"ce:weights=1/2/3", "lovasz_softmax"})
    for (const nn::UNetConfig& config : {small_network(2, nn::Norm::batch), small_network(3, nn::Norm::instance)}) {
      const Run called = train(config, loss, {}), replayed = train(config, loss, {.recorded = true});
      CHECK_MESSAGE(replayed.refusal.empty(), loss << ": " << replayed.refusal);
      CHECK(replayed.called == 2);
      CHECK(replayed.replayed == 3);
      check_same(called, replayed);
    }
}

TEST_CASE("replayed steps in mixed precision have the bits of called ones") {
  if (!has_device(Device::cuda)) return;
  const nn::UNetConfig config = small_network(2, nn::Norm::batch);
  const Run called = train(config, "dice", {.type = DType::bf16}),
            replayed = train(config, "dice", {.recorded = true, .type = DType::bf16});
  CHECK(replayed.replayed == 3);
  check_same(called, replayed);
}

TEST_CASE("what differs from step to step without lying in a tensor is called") {
  if (!has_device(Device::cuda)) return;
  nn::UNetConfig config = small_network(2, nn::Norm::instance);
  config.dropout = 0.25;
  const Run called = train(config, "dice", {}), refused = train(config, "dice", {.recorded = true});
  CHECK(refused.replayed == 0);
  CHECK(refused.called == 5);
  CHECK_MESSAGE(contains(refused.refusal, "random numbers"), refused.refusal);
  check_same(called, refused);
}

TEST_CASE("every loss has the same bits either way") {
  if (!has_device(Device::cuda)) return;
  nn::UNetConfig config = small_network(2, nn::Norm::instance);
  config.base = 2;
  std::string refused;
  for (const losses::Spec& spec : losses::registry()) {
    // The third step is recorded and the fourth is another batch, so a number of the third one's would show.
    const Run called = train(config, spec.name, {.steps = 4}),
              replayed = train(config, spec.name, {.recorded = true, .steps = 4});
    INFO(spec.name);
    check_same(called, replayed);
    CHECK((replayed.replayed == 2 || contains(replayed.refusal, "read on the host")));
    if (!replayed.refusal.empty()) refused += " " + spec.name;
  }
  MESSAGE(losses::registry().size() << " losses; called, not replayed:" << refused);
}

TEST_CASE("a new key is recorded anew") {
  if (!has_device(Device::cuda)) return;
  const nn::UNetConfig config = small_network(2, nn::Norm::instance);
  const Run called = train(config, "dice", {}), replayed = train(config, "dice", {.recorded = true, .other = 2});
  CHECK(replayed.called == 4);
  CHECK(replayed.replayed == 1);
  check_same(called, replayed);
}

TEST_CASE("work that reads a number or leaves a tensor is not recorded, and its memory is given back") {
  if (!has_device(Device::cuda)) return;
  const Tensor x = full({100}, 2, DType::f32, Device::cuda), y = zeros({}, DType::f32, Device::cuda);
  Pool& pool = cuda_backend().pool();
  const std::size_t before = pool.statistics().in_use;
  Tensor left;
  const auto repeat = [&](const std::function<void()>& work) {
    Replay replay(Device::cuda);
    for (int i = 0; i < 4; ++i) replay("", work);
    CHECK(pool.statistics().in_use >= before);
    return replay.refusal();
  };
  const auto square = [&] {
    const Tensor value = sum(x * x);
    y.backend().copy(y.raw(), Device::cuda, value.raw(), Device::cuda, y.bytes());
  };
  CHECK(repeat(square).empty());
  CHECK(y.item() == 400);
  CHECK(pool.statistics().in_use == before);
  CHECK(contains(repeat([&] { (void)sum(x).item(); }), "read on the host"));
  CHECK(contains(repeat([&] { left = x + 1.0; }), "leaves tensors behind"));
  CHECK(values(left) == std::vector<double>(100, 3));  // of the call that followed
  left = Tensor();
  CHECK(cuda_backend().pool().statistics().in_use == before);
  CHECK(sum(x).item() == 200);
}

TEST_CASE("a label beyond the classes is reported with the next number, in a replayed step too") {
  if (!has_device(Device::cuda)) return;
  const Tensor logits = zeros({1, 4, 4, 3}, DType::f32, Device::cuda),
               labels = zeros({1, 4, 4}, DType::u8, Device::cuda), result = zeros({1}, DType::f64, Device::cuda);
  const losses::Loss loss = losses::make_loss("dice");
  Replay replay(Device::cuda);
  const auto value = [&] {
    replay("", [&] {
      const Tensor v = loss(logits, labels);
      result.backend().copy(result.raw(), Device::cuda, v.raw(), Device::cuda, result.bytes());
    });
    return result.item();
  };
  const double fine = value();
  for (int i = 0; i < 3; ++i) {  // the third is recorded
    labels.backend().fill(labels, 7);
    const std::string message = error_of([&] { value(); });
    CHECK_MESSAGE(contains(message, "label 7 outside 0..2"), message);
    CHECK(contains(message, "ignore=7"));
    labels.backend().fill(labels, 0);
    CHECK(value() == fine);
  }
  CHECK(replay.replayed() > 0);
}

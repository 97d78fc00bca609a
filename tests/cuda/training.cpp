// ctest labels: gpu
// Whole training steps on the card: the same parameters as on the CPU, and the same bits every time.
#include "tests/test.h"

#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "nn/optimizer.h"
#include "tests/cuda/network.h"
#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

constexpr double kRate = 3e-3;

struct CardRun {
  std::vector<double> losses;
  Tensor parameters;  // on the host
};

// Some steps of AdamW on one batch, dropout and clipping included.
// bf16: with parameters in f32.
CardRun train(const nn::UNetConfig& config, DType type, Device device, int steps = 3) {
  Random random(31);
  nn::UNet net(config, random.fork(1));
  const bool mixed = type == DType::bf16;
  net.to(mixed ? DType::f32 : type);
  net.to(device);
  Shape shape{2};
  for (int axis = 0; axis < config.dims; ++axis) shape.push_back(axis == 0 ? 4 : 8);
  Shape space = shape;
  shape.push_back(config.in_channels);
  const Tensor x = exact_noise(shape, random).to(type).to(device);
  std::vector<std::uint8_t> truth(static_cast<std::size_t>(space.numel()));
  for (std::uint8_t& label : truth) label = static_cast<std::uint8_t>(random.below(config.classes));
  const Tensor labels = from_vector(space, truth).to(device);
  const losses::Loss loss = losses::make_loss("dice_ce");
  const auto optimizer = nn::make_optimizer("adamw", net, {.weight_decay = 0.01});
  net.train();
  CardRun run;
  for (int step = 0; step < steps; ++step) {
    net.set_step(7, step);
    const Tensor logits = net.forward(x), value = loss(logits, labels);
    CHECK(logits.dtype() == (mixed ? DType::f32 : type));
    value.backward();
    nn::clip_gradients(net, 1.0);
    optimizer->step(kRate);
    net.zero_grad();
    run.losses.push_back(value.item());
  }
  run.parameters = net.flat_parameters().to(Device::cpu);
  return run;
}

nn::UNetConfig small(int dims, nn::Norm norm, bool transposed) {
  nn::UNetConfig config = small_network(dims, norm);
  config.transposed = transposed;
  config.dropout = 0.25;
  return config;
}

}  // namespace

TEST_CASE("training on the card gives the parameters of the CPU") {
  if (!has_device(Device::cuda)) return;
  for (const auto& config :
       {small(2, nn::Norm::batch, true), small(3, nn::Norm::instance, true), small(2, nn::Norm::group, false)}) {
    const CardRun expected = train(config, DType::f64, Device::cpu), exact = train(config, DType::f64, Device::cuda),
                  single = train(config, DType::f32, Device::cuda);
    CHECK(difference(exact.losses, expected.losses) < 1e-9);
    CHECK(difference(single.losses, expected.losses) < 1e-4);
    CHECK(difference(values(exact.parameters), values(expected.parameters)) < 1e-7);
  }
}

TEST_CASE("mixed precision reaches the loss of f32") {
  if (!has_device(Device::cuda)) return;
  constexpr int kSteps = 16;
  for (nn::UNetConfig config :
       {small(2, nn::Norm::batch, true), small(3, nn::Norm::instance, true), small(2, nn::Norm::none, false)}) {
    config.dropout = 0;
    config.residual = config.norm != nn::Norm::instance;
    const CardRun single = train(config, DType::f32, Device::cuda, kSteps),
                  mixed = train(config, DType::bf16, Device::cuda, kSteps);
    const double first = single.losses.front(), last = single.losses.back(), gained = first - last;
    MESSAGE("f32: " << first << " to " << last << ", bf16: " << mixed.losses.front() << " to " << mixed.losses.back());
    CHECK(gained > 0.05);
    CHECK(std::fabs(mixed.losses.front() - first) < 0.01 * first);
    CHECK(std::fabs(mixed.losses.back() - last) < 0.1 * gained);
    CHECK(mixed.parameters.dtype() == DType::f32);
  }
}

TEST_CASE("training on the card gives the same bits every time") {
  if (!has_device(Device::cuda)) return;
  const nn::UNetConfig config = small(2, nn::Norm::instance, true);
  for (const DType type : {DType::f32, DType::bf16})
    CHECK(same_bits(train(config, type, Device::cuda).parameters, train(config, type, Device::cuda).parameters));
}

TEST_CASE("a step after the first takes no new memory from the card") {
  if (!has_device(Device::cuda)) return;
  const nn::UNetConfig config = small(2, nn::Norm::instance, true);
  const auto held = [&](int steps) {
    Pool& pool = cuda_backend().pool();
    pool.trim();
    train(config, DType::f32, Device::cuda, steps);
    const MemoryStatistics now = pool.statistics();
    return now.in_use + now.cached;
  };
  CHECK(held(6) == held(2));
}

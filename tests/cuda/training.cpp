// ctest labels: gpu
// Whole training steps on the card: the same parameters as on the CPU, and the same bits every time.
#include "tests/test.h"

#include "losses/core/loss.h"
#include "losses/core/registry.h"
#include "nn/optimizer.h"
#include "nn/unet.h"
#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

struct Run {
  std::vector<double> losses;
  Tensor parameters;  // on the host
};

// Some steps of AdamW on one batch, dropout and clipping included.
Run train(const nn::UNetConfig& config, DType type, Device device, int steps = 3) {
  Random random(31);
  nn::UNet net(config, random.fork(1));
  net.to(type);
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
  Run run;
  for (int step = 0; step < steps; ++step) {
    net.set_step(7, step);
    const Tensor value = loss(net.forward(x), labels);
    value.backward();
    nn::clip_gradients(net, 1.0);
    optimizer->step(1e-3);
    net.zero_grad();
    run.losses.push_back(value.item());
  }
  run.parameters = net.flat_parameters().to(Device::cpu);
  return run;
}

nn::UNetConfig small(int dims, nn::Norm norm, bool transposed) {
  nn::UNetConfig config;
  config.dims = dims;
  config.classes = 3;
  config.base = 4;
  config.depth = 2;
  config.norm = norm;
  config.transposed = transposed;
  config.dropout = 0.25;
  return config;
}

}  // namespace

TEST_CASE("training on the card gives the parameters of the CPU") {
  if (!has_device(Device::cuda)) return;
  for (const auto& config :
       {small(2, nn::Norm::batch, true), small(3, nn::Norm::instance, true), small(2, nn::Norm::group, false)}) {
    const Run expected = train(config, DType::f64, Device::cpu), exact = train(config, DType::f64, Device::cuda),
              single = train(config, DType::f32, Device::cuda);
    CHECK(difference(exact.losses, expected.losses) < 1e-9);
    CHECK(difference(single.losses, expected.losses) < 1e-4);
    CHECK(difference(values(exact.parameters), values(expected.parameters)) < 1e-7);
  }
}

TEST_CASE("training on the card gives the same bits every time") {
  if (!has_device(Device::cuda)) return;
  const nn::UNetConfig config = small(2, nn::Norm::instance, true);
  CHECK(same_bits(train(config, DType::f32, Device::cuda).parameters,
                  train(config, DType::f32, Device::cuda).parameters));
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

// ctest labels: gpu
// What the card does in one pass against the same one after the other: equal bits.
#include "engine/fused_backend.h"

#include "tests/test.h"

#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A map whose normalisation is pending, or a plain one. Statistics are those of some map: any numbers will do.
Reading random_reading(const Shape& shape, DType type, Random& random) {
  const auto made = [&](const Shape& of, double mean, double deviation) {
    const Tensor values = exact_noise(of, random, mean, deviation);
    return values.to(type == DType::bf16 ? DType::f32 : type).to(Device::cuda);
  };
  Reading reading{exact_noise(shape, random).to(type).to(Device::cuda)};
  if (random.chance(0.25)) return reading;
  const std::int64_t channels = shape[-1];
  const bool batch = random.chance(0.5);
  const std::int64_t groups = !batch && channels % 2 == 0 && random.chance(0.5) ? channels / 2 : channels;
  const Shape statistics{batch ? 1 : shape[0], groups};
  reading.mean = made(statistics, 0, 0.5);
  reading.rstd = made(statistics, 1, 0.25);
  if (random.chance(0.75)) {
    reading.gamma = made({channels}, 1, 0.5);
    reading.beta = made({channels}, 0, 0.5);
  }
  reading.activation = {static_cast<Activation>(random.below(3)), 0.125};
  return reading;
}

constexpr DType kTypes[] = {DType::f64, DType::f32, DType::bf16};

}  // namespace

TEST_CASE("maps side by side are normalised into their place") {
  if (!has_device(Device::cuda)) return;
  Random random(51);
  for (int i = 0; i < 60; ++i) {
    const Shape shape = odd_shape(random);
    const DType type = kTypes[i % 3];
    std::vector<Reading> inputs;
    const std::int64_t count = 1 + random.below(3);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t channels = random.chance(0.5) ? 8 * (1 + random.below(4)) : 1 + random.below(20);
      inputs.push_back(random_reading(shape.with(-1, channels), type, random));
    }
    const std::vector<Reading> kept = fused_backend_of(Device::cuda).kept(inputs);
    CHECK(kept.size() == 1);
    CHECK(kept[0].plain());
    CHECK_MESSAGE(same_bits(kept[0].x.to(Device::cpu), materialised(inputs).to(Device::cpu)),
                  type << ' ' << kept[0].x.shape() << " of " << count);
  }
}

TEST_CASE("pooling of a map that is normalised as it is read") {
  if (!has_device(Device::cuda)) return;
  Random random(52);
  for (int i = 0; i < 60; ++i) {
    Shape shape = odd_shape(random);
    if (random.chance(0.5)) shape[-1] = 8 * (1 + random.below(40));
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) shape[axis] += 1;
    const Reading x = random_reading(shape, kTypes[i % 3], random);
    Shape out = shape;
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) out[axis] /= 2;
    const auto pooled = [&](const FusedBackend& backend) {
      const Tensor y = empty(out, x.x.dtype(), Device::cuda), index = empty(out, DType::u8, Device::cuda);
      backend.max_pool(x, 2, y, index);
      return std::pair(y.to(Device::cpu), index.to(Device::cpu));
    };
    const auto [y, index] = pooled(fused_backend_of(Device::cuda));
    const auto [expected, expected_index] = pooled(FusedBackend());
    CHECK_MESSAGE(same_bits(y, expected), x.x.dtype() << ' ' << shape);
    CHECK(same_bits(index, expected_index));
  }
}

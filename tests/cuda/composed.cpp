// ctest labels: gpu
// What the card does in one pass against the same one after the other: equal bits.
#include "engine/backend.h"

#include "tests/test.h"

#include "tests/cuda/parity.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

// A map whose normalisation is deferred, or a plain one. Statistics are those of some map: any numbers will do.
FeatureMap random_map(const Shape& shape, DType type, Random& random) {
  const auto made = [&](const Shape& of, double mean, double deviation) {
    const Tensor values = exact_noise(of, random, mean, deviation);
    return values.to(type == DType::bf16 ? DType::f32 : type).to(Device::cuda);
  };
  FeatureMap map(exact_noise(shape, random).to(type).to(Device::cuda));
  if (random.chance(0.25)) return map;
  const std::int64_t channels = shape[-1];
  const bool batch = random.chance(0.5);
  const std::int64_t groups = !batch && channels % 2 == 0 && random.chance(0.5) ? channels / 2 : channels;
  const Shape statistics{batch ? 1 : shape[0], groups};
  map.mean = made(statistics, 0, 0.5);
  map.rstd = made(statistics, 1, 0.25);
  if (random.chance(0.75)) {
    map.gamma = made({channels}, 1, 0.5);
    map.beta = made({channels}, 0, 0.5);
  }
  map.activation = static_cast<Activation>(random.below(3));
  map.slope = 0.125;
  return map;
}

constexpr DType kTypes[] = {DType::f64, DType::f32, DType::bf16};

}  // namespace

TEST_CASE("maps side by side are normalised into their place") {
  if (!has_device(Device::cuda)) return;
  Random random(51);
  for (int i = 0; i < 60; ++i) {
    const Shape shape = odd_shape(random);
    const DType type = kTypes[i % 3];
    std::vector<FeatureMap> inputs;
    const std::int64_t count = 1 + random.below(3);
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t channels = random.chance(0.5) ? 8 * (1 + random.below(4)) : 1 + random.below(20);
      inputs.push_back(random_map(shape.with(-1, channels), type, random));
    }
    const std::vector<FeatureMap> kept = backend_of(Device::cuda).prepare(inputs);
    CHECK(kept.size() == 1);
    CHECK(!kept[0].deferred());
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
    const FeatureMap x = random_map(shape, kTypes[i % 3], random);
    Shape out = shape;
    for (int axis = 1; axis + 1 < shape.dims(); ++axis) out[axis] /= 2;
    const auto pooled = [&](bool one_pass) {
      Backend& backend = backend_of(Device::cuda);
      const Tensor y = empty(out, x.x.dtype(), Device::cuda), index = empty(out, DType::u8, Device::cuda);
      if (one_pass)
        backend.max_pool(x, 2, y, index);
      else
        backend.Backend::max_pool(x, 2, y, index);
      return std::pair(y.to(Device::cpu), index.to(Device::cpu));
    };
    const auto [y, index] = pooled(true);
    const auto [expected, expected_index] = pooled(false);
    CHECK_MESSAGE(same_bits(y, expected), x.x.dtype() << ' ' << shape);
    CHECK(same_bits(index, expected_index));
  }
}

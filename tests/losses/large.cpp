// Losses of 10^8 voxels: a small image that is repeated has the loss of the small one, to 1e-6.
// ctest labels: slow
#include "tests/test.h"

#include <cstring>

#include "tests/losses/samples.h"

using namespace voxgrad;

TEST_CASE("the losses of a volume of 10^8 voxels are those of the small image that fills it") {
  const std::int64_t side = 100, copies = 10'000;
  Random random(61);
  const Tensor small = random_normal({1, side, side, 1}, random.bits64(), 0, 1.5);
  const Tensor labels = empty({1, side, side}, DType::u8);
  for (std::int64_t i = 0; i < side * side; ++i) labels.data<std::uint8_t>()[i] = random.chance(0.2);
  const Tensor large = empty({1, copies * side, side, 1});
  const Tensor large_labels = empty({1, copies * side, side}, DType::u8);
  for (std::int64_t k = 0; k < copies; ++k) {
    std::memcpy(large.data<float>() + k * side * side, small.data<float>(), sizeof(float) * side * side);
    std::memcpy(large_labels.data<std::uint8_t>() + k * side * side, labels.data<std::uint8_t>(), side * side);
  }
  for (const char* text : {"ce", "focal", "dice", "tversky", "dice_ce", "mcc"}) {
    INFO(text);
    const losses::Loss loss = losses::make_loss(text);
    const test::Result expected = test::evaluate(loss, small.to(DType::f64), labels);
    Tensor logits = large.detach();
    logits.set_requires_grad();
    const Tensor value = loss(logits, large_labels, {});
    CHECK(std::fabs(value.item() / expected.value - 1) < 1e-6);
    value.backward();
    const Tensor gradient = logits.grad();
    double worst = 0;  // of the first copy, one in the middle and the last one
    for (std::int64_t k : {std::int64_t{0}, copies / 2, copies - 1})
      for (std::int64_t i = 0; i < side * side; ++i)
        worst = std::max(worst, std::fabs(gradient.data<float>()[k * side * side + i] * static_cast<double>(copies) -
                                          expected.gradient[static_cast<std::size_t>(i)]));
    CHECK(worst < 1e-6 * test::largest(expected.gradient));
  }
}

// Every loss of the registry on the card, against the values and gradients of an independent implementation
// (tests/golden), and against the CPU in f32.
// ctest labels: gpu
#include "tests/test.h"

#include "tests/golden/golden.h"
#include "tests/losses/samples.h"

using namespace voxgrad;

namespace {

test::Result on_card(const losses::Loss& loss, const Tensor& logits, const Tensor& labels,
                     const losses::Context& context) {
  return test::evaluate(loss, logits.to(Device::cuda), labels.to(Device::cuda), context);
}

}  // namespace

TEST_CASE("every loss has the values and gradients of the reference on the card, in f64 and f32") {
  if (!has_device(Device::cuda)) return;
  const test::Golden golden = test::read_golden();
  double worst[4] = {};
  for (const test::GoldenCase& one : golden.cases) {
    const test::GoldenInput& input = golden.inputs.at(one.input);
    const losses::Loss loss = test::golden_loss(one);
    losses::Context context;
    context.spacing = one.spacing;
    const std::string where = one.input + " " + one.spec;

    const test::Result f64 = on_card(loss, input.logits, input.labels, context);
    const double value_error = std::fabs(f64.value - one.value) / std::max(1.0, std::fabs(one.value));
    const double gradient_error = test::largest_difference(f64.gradient, one.gradient);
    CHECK_MESSAGE(value_error <= 1e-10, where << ": " << f64.value << ", expected " << one.value);
    CHECK_MESSAGE(gradient_error <= 1e-10, where << ": gradient off by " << gradient_error);

    const Tensor rounded = input.logits.to(DType::f32);
    const test::Result reference = test::evaluate(loss, rounded.to(DType::f64), input.labels, context);
    const test::Result f32 = on_card(loss, rounded, input.labels, context);
    const double value_error_32 = std::fabs(f32.value - reference.value) / std::max(1.0, std::fabs(reference.value));
    const double gradient_error_32 = test::largest_difference(f32.gradient, reference.gradient);
    const double scale = test::largest(reference.gradient);
    CHECK_MESSAGE(value_error_32 <= 1e-6, where << " f32: " << f32.value << ", expected " << reference.value);
    CHECK_MESSAGE(gradient_error_32 <= 1e-5 * scale + 1e-9,
                  where << " f32: gradient off by " << gradient_error_32 << " of " << scale);
    worst[0] = std::max(worst[0], value_error);
    worst[1] = std::max(worst[1], gradient_error);
    worst[2] = std::max(worst[2], value_error_32);
    if (scale > 1e-4) worst[3] = std::max(worst[3], gradient_error_32 / scale);
  }
  MESSAGE(golden.cases.size() << " cases; worst: f64 value " << worst[0] << ", gradient " << worst[1] << "; f32 value "
                              << worst[2] << ", gradient " << worst[3] << " of the largest");
}

// What labels a loss takes, and what it does where they are ignored: the same for every loss.
#include <cmath>
#include <limits>

#include "tests/losses/samples.h"

using namespace voxgrad;
using test::Sample;

TEST_CASE("ignored voxels may hold NaN and infinities") {
  Random random(49);
  for (const losses::Spec& spec : losses::registry()) {
    Sample sample = test::draw_sample(random, {2, 6, 7, 3});
    for (const std::int64_t i : {3, 40, 41}) sample.labels.data<std::uint8_t>()[i] = 255;
    losses::Context context = test::context_for(sample.logits.shape());
    context.ignore = 255;
    const losses::Loss loss = losses::make_loss(spec.name);
    const double expected = test::evaluate(loss, sample.logits, sample.labels, context).value;
    if (spec.name == "nacl") continue;  // its mean over the neighbours multiplies by 0
    sample.logits.data<double>()[3 * 3] = std::nan("");
    sample.logits.data<double>()[40 * 3 + 1] = -std::numeric_limits<double>::infinity();
    CHECK_MESSAGE(loss(sample.logits, sample.labels, context).item() == expected, spec.name);
  }
}

TEST_CASE("labels of another shape, and labels beyond the classes, are refused by every loss") {
  Random random(50);
  for (const losses::Spec& spec : losses::registry()) {
    const Sample sample = test::draw_sample(random, {1, 6, 7, 3});
    const losses::Loss loss = losses::make_loss(spec.name);
    losses::Context context = test::context_for(sample.logits.shape());
    const auto said = [&](const Tensor& labels) {
      return test::error_of([&] { loss(sample.logits, labels, context).item(); });
    };
    CHECK(said(sample.labels).empty());
    CHECK_MESSAGE(test::contains(said(reshape(sample.labels, {6, 7})), "labels must be u8 [N, *S]"), spec.name);
    const Tensor beyond = sample.labels.clone();
    beyond.data<std::uint8_t>()[11] = 7;
    CHECK_MESSAGE(test::contains(said(beyond), "label 7"), spec.name, ": ", said(beyond));
  }
}

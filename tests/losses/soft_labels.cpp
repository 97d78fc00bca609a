// Truth that is probabilities: one-hot ones are labels, and the others are means over labels.
#include "tests/test.h"

#include "tests/losses/identity.h"

using namespace voxgrad;
using test::Result;
using test::Sample;

namespace {

// f32 [N, *S, C]: 1 at the label, 0 everywhere at a label without a class.
Tensor one_hot(const Tensor& labels, std::int64_t channels) {
  Tensor table = zeros({std::max<std::int64_t>(channels, 2), channels}, DType::f64);
  for (std::int64_t c = 0; c < channels; ++c) table.data<double>()[channels == 1 ? 1 : c * (channels + 1)] = 1;
  return lookup(table, labels, DType::f32);
}

bool same(const Result& a, const Result& b) {
  return std::fabs(a.value - b.value) <= 1e-11 * std::max(1.0, std::fabs(a.value)) &&
         test::largest_difference(a.gradient, b.gradient) <= 1e-11 * std::max(1.0, test::largest(a.gradient));
}

// Calls f(text, loss, shape, context) for every loss that takes soft labels, with every choice.
template <class F>
void for_soft_losses(F&& f) {
  int losses = 0;
  for (const losses::Spec& spec : losses::registry()) {
    if (!spec.soft_labels) continue;
    ++losses;
    for (const Shape& shape : test::kShapes)
      for (const std::string& variant : test::variants(spec, std::max<std::int64_t>(shape[-1], 2)))
        f(test::exact(spec, variant), losses::make_loss(test::exact(spec, variant)), shape, test::context_for(shape));
  }
  CHECK(losses > 25);
}

}  // namespace

TEST_CASE("one-hot probabilities are labels for every loss, or it says that it takes labels only") {
  Random random(81);
  for_soft_losses(
      [&](const std::string& text, const losses::Loss& loss, const Shape& shape, const losses::Context& context) {
        const Sample sample = test::draw_sample(random, shape);
        const Result hard = test::evaluate(loss, sample.logits, sample.labels, context);
        const Result soft = test::evaluate(loss, sample.logits, one_hot(sample.labels, shape[-1]), context);
        CHECK_MESSAGE(same(hard, soft), text << ' ' << shape << ": " << hard.value << ' ' << soft.value);
        const Tensor narrow = sample.logits.to(DType::f32);
        const double f32 = loss(narrow, one_hot(sample.labels, shape[-1]), context).item();
        CHECK_MESSAGE(std::fabs(f32 - hard.value) <= 1e-5 * std::max(1.0, std::fabs(hard.value)), text << ' ' << shape);
      });
  for (const losses::Spec& spec : losses::registry()) {
    if (spec.soft_labels) continue;
    const Sample sample = test::draw_sample(random, {1, 4, 5, 2});
    const losses::Loss loss = losses::make_loss("ce+" + spec.name);
    const std::string message = test::error_of([&] { return loss(sample.logits, one_hot(sample.labels, 2)); });
    CHECK_MESSAGE(test::contains(message, spec.name + ": needs labels u8 [N, *S]"), message);
  }
}

TEST_CASE("a voxel whose probabilities are all 0 is ignored") {
  Random random(83);
  for_soft_losses([&](const std::string& text, const losses::Loss& loss, const Shape& shape, losses::Context context) {
    if (shape[-1] == 1 || test::contains(text, "ignore=")) return;  // of one channel 0 means label 0
    const Sample sample = test::draw_sample(random, shape);
    for (std::int64_t i = 1; i < sample.labels.numel(); i += 3) sample.labels.data<std::uint8_t>()[i] = 200;
    const Result soft = test::evaluate(loss, sample.logits, one_hot(sample.labels, shape[-1]), context);
    context.ignore = 200;
    const Result hard = test::evaluate(loss, sample.logits, sample.labels, context);
    CHECK_MESSAGE(same(hard, soft), text << ' ' << shape << ": " << hard.value << ' ' << soft.value);
  });
}

TEST_CASE("a loss that is linear in the truth has the mean of its values for the annotators") {
  Random random(84);
  for (const char* text : {"ce", "ce:smoothing=0.2", "focal", "topk_threshold:threshold=1", "unified_focal:lambda=1"})
    for (const Shape& shape : test::kShapes) {
      const Sample one = test::draw_sample(random, shape), two = test::draw_sample(random, shape);
      const losses::Loss loss = losses::make_loss(text);
      const Tensor mean = (one_hot(one.labels, shape[-1]) + one_hot(two.labels, shape[-1])) / 2.0;
      const double expected = (loss(one.logits, one.labels).item() + loss(one.logits, two.labels).item()) / 2;
      CHECK_MESSAGE(std::fabs(loss(one.logits, mean).item() - expected) <= 1e-12, text << ' ' << shape);
    }
}

TEST_CASE("with a squared denominator the overlap losses are 0 where p = t") {
  Random random(85);
  for (const char* text : {"dice:denominator=squared", "jaccard:denominator=squared", "dml", "jml"})
    for (const Shape& shape : test::kShapes) {
      const losses::Loss loss = losses::make_loss(text);
      const Tensor z = random_normal(shape, random.bits64(), 0, 1.5, DType::f64);
      const Tensor t = shape[-1] == 1 ? sigmoid(z) : softmax(z);
      CHECK_MESSAGE(std::fabs(loss(z, t).item()) <= 1e-12, text << ' ' << shape);
      CHECK_MESSAGE(loss(3.0 * z, t).item() > 0.01, text << ' ' << shape);
    }
}

TEST_CASE("label smoothing makes soft labels") {
  Random random(86);
  for (const Shape& shape : test::kShapes) {
    const Sample sample = test::draw_sample(random, shape);
    const double share = 0.3 / static_cast<double>(std::max<std::int64_t>(shape[-1], 2));
    const Tensor smooth = 0.7 * one_hot(sample.labels, shape[-1]).to(DType::f64) + share;
    for (const std::string name : {"dml", "jml", "ce"}) {
      const double expected = losses::make_loss(name + ":smoothing=0.3")(sample.logits, sample.labels).item();
      CHECK_MESSAGE(std::fabs(losses::make_loss(name)(sample.logits, smooth).item() - expected) <= 1e-12, name);
    }
  }
}

TEST_CASE("topk of soft labels counts voxels, whatever rounding makes of their sums") {
  const Tensor logits = random_normal({1, 40, 25, 1}, 7), truth = full({1, 40, 25, 1}, 0.1, DType::f32);
  const double ce = losses::make_loss("ce")(logits, truth).item();
  CHECK(std::fabs(losses::make_loss("topk:percent=100")(logits, truth).item() - ce) <= 1e-6 * ce);
  const Tensor two = concat({full({1, 40, 25, 1}, 0.5), full({1, 40, 25, 1}, 0.5005)}, -1);
  CHECK(std::isfinite(losses::make_loss("topk:percent=100")(random_normal({1, 40, 25, 2}, 8), two).item()));
}

TEST_CASE("soft labels of another shape, or that are no probabilities, are refused") {
  const losses::Loss loss = losses::make_loss("dice");
  const auto message = [&](const Tensor& truth) {
    return test::error_of([&] { return loss(zeros({1, 4, 5, truth.extent(-1) == 1 ? 1 : 2}), truth); });
  };
  CHECK_MESSAGE(test::contains(message(zeros({1, 4, 5, 3})), "soft ones like the logits"),
                message(zeros({1, 4, 5, 3})));
  for (const double value : {-0.1, 0.4, 1.0, std::nan("")}) {
    const Tensor truth = full({1, 4, 5, 2}, value);
    CHECK_MESSAGE(test::contains(message(truth), "add up to 1"), message(truth));
  }
  CHECK(test::contains(message(full({1, 4, 5, 2}, 0.25)), "the least is 0.25, and a sum is off by 0.5"));
  CHECK(test::contains(message(full({1, 4, 5, 2}, 1)), "a sum is off by 1"));
  for (const double value : {-0.1, 1.1, std::nan("")})
    CHECK_MESSAGE(test::contains(message(full({1, 4, 5, 1}, value)), "add up to 1"), value);
  CHECK(message(full({1, 4, 5, 1}, 0.3)) == message(full({1, 4, 5, 2}, 0.5)));  // no error
}

TEST_CASE("a class of label probabilities cannot be ignored, for half of the losses would still see it") {
  Random random(5);
  const Sample sample = test::draw_sample(random, {1, 4, 5, 3});
  for (const char* name : {"dice", "dml", "ace", "ce"}) {
    const losses::Loss loss = losses::make_loss(std::string(name) + ":ignore=1");
    const std::string message = test::error_of([&] { return loss(sample.logits, one_hot(sample.labels, 3)); });
    CHECK_MESSAGE(test::contains(message, std::string(name) + ": ignore=1 is a class of label probabilities"), message);
  }
  const auto refused = [&](const std::string& text, std::int64_t channels) {
    const Tensor p = full({1, 4, 5, channels}, channels == 1 ? 0.5 : 1 / static_cast<double>(channels));
    return test::contains(test::error_of([&] { losses::make_loss(text)(zeros(p.shape(), DType::f64), p); }),
                          "is a class of label probabilities");
  };
  CHECK(refused("dice:ignore=2", 3));
  CHECK(!refused("dice:ignore=3", 3));
  CHECK(refused("dice:ignore=1", 1));  // the foreground of one sigmoid channel
  CHECK(!refused("dice:ignore=2", 1));
}

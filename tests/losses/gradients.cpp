// ctest labels: unsanitized
// The gradient of every loss of the registry, with every kind of value for each of its parameters, against central
// differences: random lines, images and volumes, labels and probabilities.
#include "tests/test.h"

#include <map>

#include "engine/gradcheck.h"
#include "tests/losses/samples.h"

using namespace voxgrad;

namespace {

constexpr std::size_t kLeast = 200;  // cases of each loss

Shape draw_small_shape(Random& random, std::size_t dims) {
  Shape shape{1 + random.below(2)};
  for (std::size_t i = 0; i < dims; ++i) shape.push_back(1 + random.below(dims == 3 ? 3 : dims == 2 ? 4 : 8));
  shape.push_back(1 + random.below(4));
  return shape;
}

// f32 as in training. Of one channel it is the probability of label 1.
Tensor draw_probabilities(Random& random, const Shape& shape) {
  const Tensor z = random_normal(shape, random.bits64(), 0, 1.5, DType::f64);
  return (shape[-1] == 1 ? sigmoid(z) : softmax(z)).to(DType::f32);
}

}  // namespace

TEST_CASE("every loss and every option has the gradient that finite differences give") {
  std::int64_t checks = 0, elements = 0, kinks = 0;
  double worst = 0;
  std::string where;
  for (const losses::Spec& spec : losses::registry()) {
    std::int64_t checked_here = 0, kinks_here = 0;
    std::map<std::string, int> soft_or_not;
    const std::size_t texts = test::variants(spec, 2).size();
    for (std::size_t i = 0; i < std::max(kLeast, 3 * texts); ++i) {
      Random random(31 + i);  // of its own: a new loss changes no case of another
      const Shape shape = draw_small_shape(random, 1 + i / texts % 3);
      const std::string text = test::exact(spec, test::variants(spec, std::max<std::int64_t>(shape[-1], 2))[i % texts]);
      const test::Sample sample = test::draw_sample(random, shape);
      const bool soft = spec.soft_labels && random.chance(0.3);
      if (test::contains(text, "ignore=255") && sample.labels.numel() > 1) sample.labels.data<std::uint8_t>()[1] = 255;
      const Tensor truth = soft ? draw_probabilities(random, shape) : sample.labels;
      const losses::Loss loss = losses::make_loss(text);
      const losses::Context context = test::context_for(shape);
      const GradcheckResult result =
          gradcheck([&](const std::vector<Tensor>& in) { return loss(in[0], truth, context); }, {sample.logits},
                    {.most = 8, .seed = random.bits64()});
      CHECK_MESSAGE(result.worst <= 1e-6, voxgrad::text(text, " ", shape, ", case ", i, soft ? ", soft" : "", ": ",
                                                        result.worst, " ", result.where));
      ++soft_or_not[soft ? "soft" : "hard"];
      ++checks;
      checked_here += result.checked;
      kinks_here += result.kinks;
      if (result.worst > worst) where = text;
      worst = std::max(worst, result.worst);
    }
    CHECK_MESSAGE(checked_here > 1000, spec.name << " compared " << checked_here << " elements");
    CHECK_MESSAGE(kinks_here * 100 <= checked_here, spec.name << ": too many kinks, " << kinks_here);
    CHECK_MESSAGE((soft_or_not["soft"] > 20) == spec.soft_labels, spec.name);
    elements += checked_here;
    kinks += kinks_here;
  }
  MESSAGE(checks << " checks, " << elements << " elements, " << kinks << " at kinks, worst relative error " << worst
                 << " (" << where << ")");
}

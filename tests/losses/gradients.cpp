// The gradient of every loss of the registry, with every kind of value for each of its parameters, against central
// differences.
#include "tests/test.h"

#include "engine/gradcheck.h"
#include "tests/losses/samples.h"

using namespace voxgrad;

TEST_CASE("every loss and every option has the gradient that finite differences give") {
  int checks = 0;
  std::int64_t elements = 0, kinks = 0;
  double worst = 0;
  std::string where;
  for (const losses::Spec& spec : losses::registry())
    for (const Shape& shape : {Shape{2, 5, 1}, Shape{2, 2, 3, 2}, Shape{2, 2, 2, 2, 3}}) {
      Random random(31);  // of its own: a new loss changes no sample of another
      const losses::Context context = test::context_for(shape);
      for (const std::string& variant : test::variants(spec, std::max<std::int64_t>(shape[-1], 2))) {
        const std::string text = test::exact(spec, variant);
        test::Sample sample = test::draw_sample(random, shape);
        if (test::contains(text, "ignore=255")) sample.labels.data<std::uint8_t>()[1] = 255;
        const losses::Loss loss = losses::make_loss(text);
        const GradcheckResult result = gradcheck(
            [&](const std::vector<Tensor>& in) { return loss(in[0], sample.labels, context); }, {sample.logits});
        CHECK_MESSAGE(result.ok, text << " " << shape << ": " << result.worst << " " << result.where);
        ++checks;
        elements += result.checked;
        kinks += result.kinks;
        if (result.worst > worst) {
          worst = result.worst;
          where = text;
        }
      }
    }
  MESSAGE(checks << " checks, " << elements << " elements, " << kinks << " at kinks, worst relative error " << worst
                 << " (" << where << ")");
}

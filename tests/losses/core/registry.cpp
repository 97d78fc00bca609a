// The interface of the losses as published; a loss that is registered by a program: it is found by name, and wrong ones
// are refused.
#include "losses/core/registry.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/names.h"
#include "losses/core/inputs.h"
#include "losses/core/loss.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;
using test::contains;
using test::error_of;

namespace {

// The mean of |p - t|^power, plus a number that the function brings along. It comes last in the registry, so that other
// tests of the process, which draw random numbers for one loss after the other, draw the same for the losses before it.
Spec brier(const std::string& name, double offset = 0) {
  return {.name = name,
          .family = Family::compound,
          .summary = "Power of the error of the probabilities",
          .formula = "mean_(n,c,i) |p - t|^power",
          .source = "Brier, Monthly Weather Review 1950",
          .helps = "probabilities that are to be true frequencies",
          .fails = "slow at voxels that are confidently wrong",
          .build = [offset](Parameters& with) -> Function {
            const double power = with.number("power", 2, 1, 4, "exponent of the error");
            return [=](const LossInput& in) { return mean(pow(abs(in.probabilities() - in.truth()), power)) + offset; };
          }};
}

}  // namespace

// Who wrote a loss without its parameters gets other numbers from another default.
TEST_CASE("the parameters of the losses, their defaults and their ranges are the published ones") {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/parameters.txt");
  int found = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string loss, parameter, standard, range;
    if (line.starts_with('#') || !(words >> loss >> parameter >> standard >> range)) continue;
    for (const Parameter& one : find_spec(loss).parameters) {
      if (one.name != parameter) continue;
      CHECK_MESSAGE((one.standard.empty() ? "-" : one.standard) == standard, line << " instead of " << one.standard);
      const std::string own = one.choices.empty() ? text(one.low, "..", one.high) : join(one.choices, "|");
      CHECK_MESSAGE(own == range, line << " instead of " << own);
      ++found;
    }
  }
  CHECK(found == 288);
}

TEST_CASE("a registered loss has its place in the registry, its parameters, its value and its gradient") {
  const Spec& before = find_spec("dice");
  const std::size_t count = registry().size();
  const Spec& added = register_loss(brier("your_brier"));
  CHECK(registry().size() == count + 1);
  CHECK(&find_spec("your_brier") == &added);
  CHECK(&find_spec("dice") == &before);  // losses that are in use stay where they are
  CHECK(registry().rbegin()->name == "your_brier");
  REQUIRE(added.parameters.size() == 2);
  CHECK(added.parameters[0].name == "power");
  CHECK(added.parameters[1].name == "ignore");
  Tensor logits = from_vector<double>({1, 2, 1}, {0, 0});
  logits.set_requires_grad();
  const Tensor labels = from_vector<std::uint8_t>({1, 2}, {1, 0});
  const Loss loss = make_loss("0.5*your_brier:power=4+your_brier");
  CHECK(loss.text() == "0.5*your_brier:power=4,ignore=-1+your_brier:power=2,ignore=-1");
  const Tensor value = loss(logits, labels);
  CHECK(std::fabs(value.item() - (0.5 / 16 + 0.25)) < 1e-12);
  value.backward();
  CHECK(logits.grad().data<double>()[0] < 0);
}

TEST_CASE("a name twice, a name that no text can have, and a loss without a function are refused") {
  CHECK(contains(error_of([] { register_loss(brier("dice")); }), "there is a loss \"dice\" already"));
  for (const char* name : {"", "my loss", "a+b", "a:b", "a*b", "Dice", "a,b", "d\xc3\xa4"})
    CHECK_MESSAGE(contains(error_of([&] { register_loss(brier(name)); }), "is not a name of a-z, 0-9 and _"),
                  std::string(name));
  Spec empty = brier("empty");
  empty.build = {};
  CHECK(contains(error_of([&] { register_loss(empty); }), "\"empty\" has no function"));
  register_loss(brier("your_shifted", 3));
  CHECK(contains(error_of([] { register_loss(brier("your_shifted")); }), "there is a loss \"your_shifted\" already"));
  const Tensor logits = from_vector<double>({1, 1, 1}, {0});
  CHECK(make_loss("your_shifted")(logits, from_vector<std::uint8_t>({1, 1}, {1})).item() == 3.25);
}

TEST_CASE("the value of a registered loss in f32 can be added to other losses; a map instead of a number is refused") {
  register_loss(brier("your_term"));
  Tensor logits = from_vector<float>({1, 2, 2}, {0.5F, 0, 0, 1});
  logits.set_requires_grad();
  const Tensor labels = from_vector<std::uint8_t>({1, 2}, {1, 0});
  const Tensor value = make_loss("dice+0.5*your_term")(logits, labels);
  CHECK(value.dtype() == DType::f64);
  value.backward();
  CHECK(logits.grad().dtype() == DType::f32);
  Spec map = brier("your_map");
  map.build = [](Parameters&) -> Function { return [](const LossInput& in) { return in.probabilities(); }; };
  Parameters with("your_map", {});
  const Function function = build_loss(map, with);
  const Context context;
  CHECK(contains(error_of([&] { function(LossInput(logits, labels, context, with.common())); }),
                 "your_map: the value of a loss is one number, got "));
}

TEST_CASE("the losses that are terms of others and nothing to train alone with") {
  std::string names;
  for (const Spec& spec : registry())
    if (!spec.objective) names += spec.name + " ";
  CHECK_MESSAGE(names == "ace cldice region_size skeleton_recall boundary surface_dice blob ", names);
}

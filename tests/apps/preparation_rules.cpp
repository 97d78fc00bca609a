// The rules for crop, spacing and normalisation: what they choose for which facts, and that they say why.
#include "apps/training/preparation_rules.h"

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using test::contains;

namespace {

PreparationFacts facts_of(const std::vector<std::vector<double>>& spacings, const Shape& shape) {
  PreparationFacts facts;
  facts.spacings = spacings;
  facts.shapes.assign(spacings.size(), shape);
  return facts;
}

void check_choice(const Decision& found, const std::string& value, const std::string& reason) {
  CHECK(found.value == value);
  CHECK_MESSAGE(contains(found.reason, reason), found.reason);
}

}  // namespace

TEST_CASE("of large cases fewer are read, but not too few for what is asked of them") {
  const auto read = [](std::size_t cases, const Shape& shape) {
    return cases_to_read(std::vector<Shape>(cases, shape));
  };
  CHECK(read(20, {64, 64}) == 20);
  CHECK(read(500, {1000, 1000}) == 64);
  CHECK(read(500, {2000, 2000}) == 16);
  CHECK(read(20, {16, 512, 512}) == 15);
  CHECK(read(500, {100, 100, 100}) == 64);
  CHECK(read(20, {256, 256, 256}) == 8);
  CHECK(read(3, {256, 256, 256}) == 3);
}

TEST_CASE("preparation rules: a crop that removes a tenth is worthwhile") {
  PreparationFacts facts = facts_of({{1, 1}}, {8, 8});
  check_choice(choose_crop(facts), "off", "no case was read");
  facts.read = {0, 3};
  facts.kept = 0.89;
  check_choice(choose_crop(facts), "on", "89 % of the voxels of a case (median of 2 training cases)");
  facts.kept = 0.91;
  check_choice(choose_crop(facts), "off", "would save little");
}

TEST_CASE("preparation rules: cases are resampled to the median if their spacings differ") {
  check_choice(choose_spacing(facts_of({{1, 2}, {1, 2}}, {8, 8})), "none", "have the same spacing");
  check_choice(choose_spacing(facts_of({{1, 2}, {1.09, 2}}, {8, 8})), "none", "too little");
  check_choice(choose_spacing(facts_of({{1, 2}, {1.2, 2}}, {8, 8})), "1.1x2", "a factor of 1.2 along axis 0");
  check_choice(choose_spacing(facts_of({{1, 2, 1}, {1, 4, 1}, {1, 3, 1}}, {8, 8, 8})), "1x3x1", "every case gets");
  check_choice(choose_spacing(facts_of({{1, 2}, {40, 2}}, {8, 8})), "none", "a unit is probably wrong");
  PreparationFacts pixels = facts_of({{1, 2}, {3, 2}}, {8, 8});
  pixels.physical = false;
  check_choice(choose_spacing(pixels), "none", "pixels");
}

TEST_CASE("preparation rules: few thick slices get the 10th percentile, but not less than another axis") {
  // numpy.percentile([4, 5, 6, 7, 8], 10) is 4.4.
  const std::vector<std::vector<double>> thick{{4, 1, 1}, {8, 1, 1}, {5, 1, 1}, {7, 1, 1}, {6, 1, 1}};
  check_choice(choose_spacing(facts_of(thick, {10, 40, 40})), "4.4x1x1", "along axis 0, which has few thick slices");
  check_choice(choose_spacing(facts_of(thick, {20, 40, 40})), "6x1x1", "their median");  // slices enough
  const std::vector<std::vector<double>> wide{{0.5, 1.5, 1}, {8, 1.5, 1}, {5, 1.5, 1}};
  check_choice(choose_spacing(facts_of(wide, {10, 40, 40})), "1.5x1.5x1", "10th percentile");
  const std::vector<std::vector<double>> mild{{2, 1, 1}, {3, 1, 1}, {2.5, 1, 1}};
  check_choice(choose_spacing(facts_of(mild, {10, 40, 40})), "2.5x1x1", "their median");
}

TEST_CASE("preparation rules: the normalisation follows the modality, the colours and the background") {
  PreparationFacts facts = facts_of({{1, 1}}, {8, 8});
  facts.read = {0};
  check_choice(choose_normalisation(facts), "case", "within an image only");
  facts.kept = 0.7;
  check_choice(choose_normalisation(facts), "mask", "70 %");
  facts.colour = true;
  check_choice(choose_normalisation(facts), "rgb", "colour");
  for (const char* modality : {"CT", "ct"}) {
    facts.modality = modality;
    check_choice(choose_normalisation(facts), "dataset", "CT");
  }
  facts.foreground = {{255, 255, 255, 0}};  // to clip to its percentiles would leave one value
  check_choice(choose_normalisation(facts), "rgb", "colour");
}

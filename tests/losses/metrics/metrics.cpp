// The table of metrics against an independent implementation (tests/golden/metrics.txt), identities between its rows,
// the rules for empty masks and for ignored voxels.
#include "losses/metrics/metrics.h"

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/random.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::losses;

namespace {

Tensor mask(const std::string& digits, const Shape& shape) {
  std::vector<std::uint8_t> values;
  for (const char digit : digits) values.push_back(static_cast<std::uint8_t>(digit - '0'));
  return from_vector(shape, values);
}
Tensor mask(const std::string& digits) { return mask(digits, {static_cast<std::int64_t>(digits.size())}); }

bool same(double a, double b) {
  return std::isnan(b) ? std::isnan(a) : a == b || std::fabs(a - b) <= 1e-12 * std::max(1.0, std::fabs(b));
}

double value_of(const ClassScores& scores, const std::string& name) { return scores[metric_index(name)]; }

struct Pair {
  std::string id, truth, prediction;
  Shape shape;
  std::vector<double> spacing;
  std::vector<std::pair<std::string, double>> values;  // name, or name@tau
};

std::vector<double> numbers(std::string text, char separator) {
  for (char& c : text)
    if (c == separator) c = ' ';
  std::istringstream words(text);
  std::vector<double> result;
  for (double x = 0; words >> x;) result.push_back(x);
  return result;
}

std::vector<Pair> read_pairs() {
  std::ifstream file(std::string(VOXGRAD_SOURCE_DIR) + "/tests/golden/metrics.txt");
  std::vector<Pair> pairs;
  Pair pair;
  std::string shape, spacing, values;
  while (std::getline(file, pair.id)) {
    if (pair.id.starts_with("#")) continue;
    for (std::string* line : {&shape, &spacing, &pair.truth, &pair.prediction, &values}) std::getline(file, *line);
    pair.shape = Shape();
    for (const double extent : numbers(shape, 'x')) pair.shape.push_back(static_cast<std::int64_t>(extent));
    pair.spacing = numbers(spacing, '/');
    pair.values.clear();
    std::istringstream words(values);
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      pair.values.emplace_back(word.substr(0, equals), std::stod(word.substr(equals + 1)));
    }
    pairs.push_back(pair);
  }
  return pairs;
}

double found(const Pair& pair, const std::string& name) {
  const std::size_t at = name.find('@');
  Scoring scoring{.classes = 2, .spacing = pair.spacing};
  if (at != std::string::npos) scoring.tau = std::stod(name.substr(at + 1));
  const ClassScores scores = score(mask(pair.prediction, pair.shape), mask(pair.truth, pair.shape), scoring)[1];
  const Overlap& o = scores.counts;
  for (const auto& [count, value] : {std::pair{"tp", o.tp}, {"fp", o.fp}, {"fn", o.fn}, {"tn", o.tn}})
    if (name == count) return static_cast<double>(value);
  return value_of(scores, name.substr(0, at));
}

}  // namespace

TEST_CASE("every metric equals the reference for every pair of masks, empty ones and anisotropic ones included") {
  const std::vector<Pair> pairs = read_pairs();
  CHECK(pairs.size() == 14);
  for (const Pair& pair : pairs) {
    CHECK(pair.values.size() == 21);
    for (const auto& value : pair.values) {
      const double seen = found(pair, value.first);
      CHECK_MESSAGE(same(seen, value.second), pair.id, " ", value.first, ": ", seen, " instead of ", value.second);
    }
  }
}

TEST_CASE("only a distance is ever infinite: a ratio to an empty mask is undefined, and no diagonal enters its mean") {
  const Tensor none = mask("0000000"), some = mask("0011100");
  for (const auto& [prediction, truth] : {std::pair{some, none}, {none, some}, {none, none}, {some, some}}) {
    ProbabilityTally tally(2);
    tally.add(from_vector<float>({7, 2}, std::vector<float>(14, 0)), truth);
    const ClassScores scores =
        score(prediction, truth, {.classes = 2, .needs = Needs::probabilities, .probabilities = &tally})[1];
    for (std::size_t i = 0; i < metrics().size(); ++i)
      CHECK_MESSAGE((!std::isinf(scores[i]) || metrics()[i].needs == Needs::surfaces), std::string(metrics()[i].name));
  }
  const ClassScores false_alarm = score(some, none, {.classes = 2})[1];
  CHECK(std::isinf(value_of(false_alarm, "hd")));
  const double rvd = value_of(false_alarm, "relative_volume_difference");
  CHECK(std::isnan(rvd));
  const Aggregate volumes = aggregate({{-0.5, 100, false}, {rvd, 100, false}}, 0);
  CHECK(volumes.mean == -0.5);
  CHECK(volumes.undefined == 1);
}

TEST_CASE("two empty masks: counts and ratios to other voxels are numbers, all else is undefined") {
  const Tensor none = mask("0000000");
  ProbabilityTally tally(2);
  std::vector<float> probabilities;
  for (int voxel = 0; voxel < 7; ++voxel) probabilities.insert(probabilities.end(), {0.75f, 0.25f});
  tally.add(from_vector<float>({7, 2}, probabilities), none);
  const ClassScores scores =
      score(none, none, {.classes = 2, .needs = Needs::probabilities, .probabilities = &tally})[1];
  int numbers_found = 0;
  for (std::size_t i = 0; i < metrics().size(); ++i) numbers_found += std::isnan(scores[i]) ? 0 : 1;
  CHECK(numbers_found == 7);
  CHECK(value_of(scores, "specificity") == 1);
  CHECK(value_of(scores, "soft_region_proportion_error") == 0.25);
  for (const char* name :
       {"region_proportion_error", "false_positive_objects", "betti0_error", "betti1_error", "betti2_error"})
    CHECK_MESSAGE(value_of(scores, name) == 0, std::string(name));
}

TEST_CASE("the table is in the order of needs and says what is perfect") {
  for (std::size_t i = 1; i < metrics().size(); ++i) CHECK(metrics()[i - 1].needs <= metrics()[i].needs);
  CHECK(metric_index("dice") == 0);
  CHECK(test::contains(test::error_of([] { return metric_index("hd59"); }), "hd95"));
  const Tensor s = mask("0011100", {1, 7});
  ProbabilityTally tally(2);
  tally.add(from_vector<float>({1, 7, 2}, {1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0}), s);
  const ClassScores scores = score(s, s, {.classes = 2, .needs = Needs::probabilities, .probabilities = &tally})[1];
  REQUIRE(scores.values.size() == metrics().size());
  for (std::size_t i = 0; i < metrics().size(); ++i)
    CHECK_MESSAGE(scores[i] == metrics()[i].perfect, std::string(metrics()[i].name), " ", scores[i]);
}

TEST_CASE("only what is asked for is computed") {
  const Tensor s = mask("0011100", {1, 7});
  const auto scores = score(s, s, {.classes = 2, .needs = Needs::counts});
  CHECK(scores[1].values.size() == 9);
  CHECK(std::isnan(value_of(scores[1], "hd95")));
  CHECK(value_of(score(s, s, {.classes = 2, .needs = Needs::surfaces})[1], "hd95") == 0);
  CHECK(test::contains(test::error_of([&] { return score(s, s, {.classes = 2, .needs = Needs::probabilities}); }),
                       "no probabilities"));
}

TEST_CASE("identities on random masks: Jaccard from Dice, HD above all distances, symmetry, scale") {
  Random random(5);
  for (int round = 0; round < 30; ++round) {
    std::string a, b;
    for (int i = 0; i < 60; ++i) {
      a += random.chance(0.4) ? '1' : '0';
      b += random.chance(0.3) ? '1' : '0';
    }
    const Shape shape = round % 2 == 0 ? Shape{6, 10} : Shape{3, 4, 5};
    Scoring scoring{.classes = 2,
                    .spacing = round % 2 == 0 ? std::vector<double>{2, 0.5} : std::vector<double>{3, 1, 1}};
    const ClassScores ab = score(mask(a, shape), mask(b, shape), scoring)[1];
    const ClassScores ba = score(mask(b, shape), mask(a, shape), scoring)[1];
    const double D = value_of(ab, "dice");
    CHECK(same(value_of(ab, "jaccard"), D / (2 - D)));
    CHECK(value_of(ab, "hd") >= value_of(ab, "hd95"));
    CHECK(value_of(ab, "hd") >= value_of(ab, "hd95_pooled"));
    CHECK(value_of(ab, "hd") >= value_of(ab, "assd"));
    CHECK(value_of(ab, "hd") >= value_of(ab, "masd"));
    for (const char* name : {"dice", "jaccard", "volume_similarity", "region_proportion_error", "mcc", "hd", "hd95",
                             "hd95_pooled", "assd", "masd", "nsd"})
      CHECK_MESSAGE(same(value_of(ab, name), value_of(ba, name)), std::string(name));
    CHECK(same(value_of(ab, "sensitivity"), value_of(ba, "precision")));
    // Distances are lengths: with voxels twice as large, and the tolerance, they double and the shares stay.
    for (double& s : scoring.spacing) s *= 2;
    const ClassScores twice = score(mask(a, shape), mask(b, shape), scoring)[1];
    for (const char* name : {"hd", "hd95", "hd95_pooled", "assd", "masd"})
      CHECK_MESSAGE(same(value_of(twice, name), 2 * value_of(ab, name)), std::string(name));
    CHECK(same(value_of(twice, "nsd"), value_of(ab, "nsd")));
    CHECK(same(value_of(twice, "dice"), D));
  }
}

TEST_CASE("ignored voxels belong to no mask") {
  // Without the ignored voxels the prediction of class 1 would reach to the right end.
  const auto scores = score(mask("1100011"), mask("1100999"), {.classes = 2, .ignore = 9});
  CHECK(value_of(scores[1], "hd") == 0);
  CHECK(value_of(scores[1], "dice") == 1);
  // A class that is what is ignored has no truth, in every metric.
  const auto none = score(mask("0110"), mask("0001"), {.classes = 2, .ignore = 1});
  CHECK(value_of(none[1], "dice") == 0);
  CHECK(std::isinf(value_of(none[1], "hd")));
  CHECK(value_of(none[1], "nsd") == 0);
  CHECK(value_of(none[1], "false_positive_objects") == 1);
}

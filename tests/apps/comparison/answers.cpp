// The answers: what is claimed follows from the numbers, and nothing else is claimed.
#include "apps/comparison/answers.h"

#include <cmath>

#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;
using losses::Family;

namespace {

// Twenty cases with more and more foreground; `gain` is what region losses win where there is little of it.
Comparison graded(double gain) {
  std::vector<double> ce, dice, jaccard;
  for (int i = 0; i < 20; ++i) {
    ce.push_back(0.4 + 0.02 * i + 0.001 * ((i * 3) % 5));
    dice.push_back(ce.back() + (i < 10 ? gain : 0) + 0.0005 * ((i * 7) % 4));
    jaccard.push_back(dice.back() + (i % 2 == 0 ? 0.001 : -0.001));
  }
  Comparison comparison =
      made_up({tested_run("d", "ce", 1, ce), tested_run("d", "dice", 1, dice), tested_run("d", "jaccard", 1, jaccard)});
  comparison.protocol["baseline"] = "ce";
  return comparison;
}

std::string all_words(const Comparison& comparison) {
  std::string words;
  for (const std::string& part : findings_of(comparison).answers.words) words += part + "\n";
  return words;
}

}  // namespace

TEST_CASE("kinds of losses come from the registry") {
  CHECK(family_of("ce:weights=1/5") == Family::distribution);
  CHECK(family_of("2*dice:batch=1") == Family::region);
  CHECK(family_of("dice+0.5*ce") == Family::compound);
  CHECK(family_of("dice_ce") == Family::compound);
}

TEST_CASE("a gain where there is little foreground is found there, with its interval") {
  const Comparison comparison = graded(0.2);
  const Answers answers = findings_of(comparison).answers;
  REQUIRE(answers.questions.size() == 3);  // dataset, foreground, diameter; one number of classes
  const Question& question = answers.questions[1];
  REQUIRE(question.groups.size() == 3);
  CHECK(question.groups[0].cases + question.groups[1].cases + question.groups[2].cases == 20);
  REQUIRE(question.groups[0].kinds.size() == 2);
  const KindScore &little = question.groups[0].kinds[1], &much = question.groups[2].kinds[1];
  CHECK(little.family == Family::region);
  CHECK(little.losses == 2);
  CHECK(little.difference > 0.19);
  CHECK(little.difference_interval.low > 0.19);
  CHECK(std::abs(much.difference) < 0.01);
  const std::string words = all_words(comparison);
  CHECK_MESSAGE(contains(words, "has the highest mean Dice"), words);
  CHECK_MESSAGE(contains(words, "It beats ce by +0.10"), words);
  CHECK_MESSAGE(contains(words, "As good as"), words);
  CHECK_MESSAGE(contains(words, "by share of foreground: +0.20"), words);
  CHECK_MESSAGE(contains(words, "how much another seed would change is not known"), words);
}

TEST_CASE("where nothing differs by more than the margin, nothing beats anything") {
  const std::string words = all_words(graded(0.001));
  CHECK_MESSAGE(contains(words, "no difference larger than 0.01 is left"), words);
  CHECK_MESSAGE(!contains(words, "beats"), words);
}

TEST_CASE("few noisy cases: open, not equal") {
  Comparison comparison =
      made_up({tested_run("d", "ce", 1, {0.5, 0.7, 0.6, 0.4}), tested_run("d", "dice", 1, {0.6, 0.6, 0.7, 0.5})});
  comparison.protocol["baseline"] = "ce";
  const std::string words = all_words(comparison);
  CHECK_MESSAGE(contains(words, "Whether it is better than ce is open"), words);
}

TEST_CASE("without distribution losses no difference to them is told") {
  const Comparison comparison =
      made_up({tested_run("d", "dice", 1, {0.5, 0.6}), tested_run("d", "jaccard", 1, {0.6, 0.6})});
  const Answers answers = findings_of(comparison).answers;
  CHECK(std::isnan(answers.questions[0].groups[0].kinds[0].difference));
  for (const std::string& words : answers.words) CHECK(!contains(words, "typical distribution loss,"));
}

TEST_CASE("size bias: quantiles over cases and classes") {
  const Comparison comparison = graded(0.2);
  const std::vector<SizeBias> biases = size_bias(comparison, findings_of(comparison).analyses[0]);
  REQUIRE(biases.size() == 3);
  CHECK(biases[2].loss == "ce");
  CHECK(biases[2].median < biases[0].median);
  CHECK(biases[2].low_quartile < biases[2].median);
}

TEST_CASE("an interval in words has no negative zero") {
  CHECK(with_interval(0.12345, {-0.0001, 0.2}) == "0.123 [0.000, 0.200]");
  CHECK(with_interval(-0.5, {-0.6, -0.4}, 1) == "-0.5 [-0.6, -0.4]");
}

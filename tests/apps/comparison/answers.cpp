// The answers: what is claimed follows from the numbers, and nothing else is claimed.
#include "apps/comparison/answers.h"

#include <cmath>

#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;
using losses::Family;

namespace {

// Twenty cases with more and more foreground, three trainings; `gain` is what region losses win where there is little
// of it.
Comparison graded(double gain) {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    std::vector<double> ce, dice, jaccard;
    for (int i = 0; i < 20; ++i) {
      ce.push_back(0.4 + 0.02 * i + 0.001 * ((i * 3) % 5) + 0.0001 * static_cast<double>(seed));
      dice.push_back(ce.back() + (i < 10 ? gain : 0) + 0.0005 * ((i * 7) % 4));
      jaccard.push_back(dice.back() + (i % 2 == 0 ? 0.001 : -0.001));
    }
    runs.push_back(tested_run("d", "ce", seed, ce));
    runs.push_back(tested_run("d", "dice", seed, dice));
    runs.push_back(tested_run("d", "jaccard", seed, jaccard));
  }
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = "ce";
  return comparison;
}

std::string all_words(const Comparison& comparison) {
  std::string words;
  for (const std::string& part : findings_of(comparison).answers.words) words += part + "\n";
  return words;
}

}  // namespace

TEST_CASE("a single loss has no ranking that others could agree with") {
  std::vector<ComparedRun> runs;
  for (const std::uint64_t seed : {1, 2, 3})
    runs.push_back(tested_run("d", "dice", seed, std::vector<double>(12, 0.8 + 0.001 * static_cast<double>(seed))));
  const std::string words = all_words(made_up(runs));
  CHECK_MESSAGE(!contains(words, "tau-b"), words);
}

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
  CHECK_MESSAGE(contains(words, "It is better than ce by +0.10"), words);
  CHECK_MESSAGE(contains(words, "As good as"), words);
  CHECK_MESSAGE(contains(words, "by share of foreground: +0.20"), words);
  CHECK_MESSAGE(contains(words, "3 trainings of each loss"), words);
}

TEST_CASE("where nothing differs by more than the margin, nothing is better") {
  const std::string words = all_words(graded(0.001));
  CHECK_MESSAGE(contains(words, "It differs from ce by less than 0.01"), words);
  CHECK_MESSAGE(!contains(words, "It is better"), words);
}

TEST_CASE("noisy cases: neither better nor equal; few cases or one training: nothing is said about the loss") {
  std::vector<double> ce, dice;
  for (int i = 0; i < 12; ++i) {
    ce.push_back(0.5 + 0.1 * (i % 3));
    dice.push_back(ce.back() + (i % 2 == 0 ? 0.11 : -0.09));
  }
  const auto words_of = [](const std::vector<ComparedRun>& runs) {
    Comparison comparison = made_up(runs);
    comparison.protocol["baseline"] = "ce";
    return all_words(comparison);
  };
  const std::vector<ComparedRun> once{tested_run("d", "ce", 1, ce), tested_run("d", "dice", 1, dice)};
  std::vector<ComparedRun> twice = once;
  twice.push_back(tested_run("d", "ce", 2, ce));
  twice.push_back(tested_run("d", "dice", 2, dice));
  const std::string noisy = words_of(twice), single = words_of(once);
  CHECK_MESSAGE(contains(noisy, "Whether it is better than ce is not known"), noisy);
  CHECK_MESSAGE(contains(noisy, "Neither shown to be worse nor to be as good: ce"), noisy);
  CHECK_MESSAGE(contains(single, "Nothing follows for the loss: each loss was trained with one seed"), single);
  CHECK_MESSAGE(!contains(single, "Against ce"), single);
  for (ComparedRun& run : twice) run.cases.resize(9);
  CHECK(contains(words_of(twice), "Nothing follows for the loss: the test has 9 independent cases"));
}

TEST_CASE("with several datasets each is told before their mean") {
  std::vector<ComparedRun> runs;
  for (const char* dataset : {"d", "e"})
    for (const char* loss : {"ce", "dice"})
      for (const std::uint64_t seed : {1, 2})
        runs.push_back(
            tested_run(dataset, loss, seed, std::vector<double>(12, *dataset == 'd' && *loss == 'c' ? 0.8 : 0.7)));
  const std::string words = all_words(made_up(runs));
  CHECK_MESSAGE(contains(words, "The highest mean Dice has ce on d (0.800"), words);
  CHECK_MESSAGE(contains(words, "ce and dice on e (0.700"), words);
  CHECK_MESSAGE(contains(words, "The most often first is ce, on 2 of 2 datasets"), words);
  for (ComparedRun& run : runs)
    if (run.dataset == "e" && run.loss == "dice") run = tested_run("e", "dice", run.seed, std::vector<double>(12, 0.8));
  const std::string tie = all_words(made_up(runs));
  CHECK_MESSAGE(contains(tie, "The most often first are ce and dice, each on 1 of 2 datasets"), tie);
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

TEST_CASE("a large dataset does not outvote a small one, and its size is no failure of single cases") {
  const auto runs_with = [](const std::string& dataset, int cases, auto&& gain) {
    std::vector<ComparedRun> runs;
    for (const std::uint64_t seed : {1, 2, 3}) {
      std::vector<double> ce, dice;
      for (int i = 0; i < cases; ++i) {
        ce.push_back(0.6 + 0.001 * (i % 7) + 0.0001 * static_cast<double>(seed));
        dice.push_back(ce.back() + gain(i));
      }
      runs.push_back(tested_run(dataset, "ce", seed, ce));
      runs.push_back(tested_run(dataset, "dice", seed, dice));
    }
    return runs;
  };
  const auto compared = [](const std::vector<ComparedRun>& runs) {
    Comparison comparison = made_up(runs);
    comparison.protocol["baseline"] = "ce";
    return comparison;
  };
  std::vector<ComparedRun> both = runs_with("large", 40, [](int) { return -0.005; });
  for (const ComparedRun& run : runs_with("small", 12, [](int) { return 0.05; })) both.push_back(run);
  const std::string words = all_words(compared(both));
  CHECK_MESSAGE(contains(words, "dice has the highest mean Dice"), words);
  CHECK_MESSAGE(!contains(words, "typical case"), words);
  const CaseGroup all = findings_of(compared(both)).answers.questions[0].groups[0];
  CHECK(all.name == "mean of 2 datasets");
  CHECK(all.cases == 52);
  REQUIRE(all.kinds.size() == 2);
  CHECK(all.kinds[1].difference == doctest::Approx(0.0225));
  CHECK(all.kinds[1].difference_interval.low > 0.02);
  const std::string few = all_words(compared(runs_with("d", 20, [](int i) { return i < 3 ? 0.3 : -0.004; })));
  CHECK_MESSAGE(contains(few, "In the typical case ce is ahead of dice (Hodges-Lehmann): a few cases"), few);
  Comparison other = compared(runs_with("d", 40, [](int i) { return i < 8 ? 0.3 : -0.004; }));
  for (const char* baseline : {"ce", "dice"}) {  // which of them is the baseline changes nothing
    other.protocol["baseline"] = baseline;
    CHECK(ahead_in_typical_case(analyse(other).front()) == std::vector<std::string>{"ce"});
  }
}

TEST_CASE("what is said of an equal loss lies within the margin, and calibration counts datasets alike") {
  Comparison comparison = graded(0.2);
  const Analysis analysis = analyse(comparison).front();
  for (const LossStatistics& loss : analysis.losses)
    if (loss.to_best.verdict == Verdict::equal) {
      CHECK(loss.to_best.interval_90.low > -kMargin);
      CHECK(loss.to_best.interval_90.high < kMargin);
    }
  const auto calibrated = [](const std::string& dataset, const std::string& loss, int cases, double error) {
    ComparedRun run = tested_run(dataset, loss, 1, std::vector<double>(static_cast<std::size_t>(cases), 0.8));
    for (CaseNumbers& one : run.cases) one.classes[0].push_back(error);
    return run;
  };
  Comparison both = made_up({calibrated("a", "ce", 30, 0.1), calibrated("a", "dice", 30, 0.2),
                             calibrated("b", "ce", 10, 0.5), calibrated("b", "dice", 10, 0.3)});
  both.numbers.push_back("class_calibration_error");
  const std::string words = all_words(both);
  CHECK_MESSAGE(contains(words, "0.250 in the mean (class ECE) with dice, the least, and by 0.300 with ce"), words);
}

TEST_CASE("with folds the words count the seeds of each fold, not the trainings") {
  Comparison comparison = graded(0.2);
  comparison.protocol["folds"] = 5;
  const std::string words = all_words(comparison);
  CHECK_MESSAGE(contains(words, "20 test cases, 3 seeds in each of 5 folds) "), words);
  CHECK_MESSAGE(!contains(words, "trainings of each loss"), words);
  CHECK_MESSAGE(contains(words, "Between its 3 seeds"), words);
  CHECK(trainings_words(analyse(comparison).front()) == "3 seeds in each of 5 folds");
}

TEST_CASE("groups of tiny objects have limits that are no zeros") {
  Comparison comparison = graded(0.2);
  for (std::size_t i = 0; i < comparison.datasets[0].cases.size(); ++i) {
    comparison.datasets[0].cases[i].foreground = 1e-5 * static_cast<double>(1 + i);
    comparison.datasets[0].cases[i].object_size = 0.001 * static_cast<double>(1 + i);
  }
  const Answers answers = findings_of(comparison).answers;
  REQUIRE(answers.questions.size() == 3);
  CHECK(answers.questions[1].groups[0].name == "below 0.00733 %");
  CHECK(answers.questions[1].groups[1].name == "0.00733 % to 0.0137 %");
  CHECK(answers.questions[2].groups[0].name == "below 0.00733 mm");
}

TEST_CASE("with one training of each loss the words have no interval either") {
  std::vector<ComparedRun> runs;
  for (const char* loss : {"ce", "dice"}) {
    std::vector<double> dice;
    for (int i = 0; i < 12; ++i) dice.push_back(0.4 + 0.03 * i);
    runs.push_back(tested_run("d", loss, 1, dice));
  }
  const std::string words = all_words(made_up(runs));
  CHECK_MESSAGE(contains(words, "has the highest mean Dice, 0.565. Nothing follows"), words);
}

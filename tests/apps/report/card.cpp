// The answer on the first screen: it recommends only what the analysis supports, and shows no interval that says
// nothing.
#include "apps/report/card.h"

#include <cmath>

#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// Losses with these gains over the first one, on cases that differ from each other; `noise` differs between trainings.
Comparison compared(const std::vector<std::pair<std::string, double>>& losses, int cases, int seeds, double noise,
                    const std::vector<std::string>& datasets = {"d"}) {
  std::vector<ComparedRun> runs;
  for (const std::string& dataset : datasets)
    for (const auto& [loss, gain] : losses)
      for (int seed = 1; seed <= seeds; ++seed) {
        std::vector<double> dice;
        for (int i = 0; i < cases; ++i)
          dice.push_back(0.5 + 0.015 * i + gain + noise * ((7 * seed + 3 * static_cast<int>(loss.size())) % 5 - 2) +
                         0.0005 * ((i * 3 + seed) % 4));
        runs.push_back(tested_run(dataset, loss, static_cast<std::uint64_t>(seed), dice));
      }
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = losses.front().first;
  return comparison;
}

Card card(const Comparison& comparison) { return card_of(comparison, analyse(comparison)); }

std::string words_of(const Card& card) {
  std::string words = card.headline + "\n";
  for (const auto& [term, line] : card.lines) words += term + ": " + line + "\n";
  return words;
}

bool has_digits_of_interval(const std::string& words) { return contains(words, "["); }

}  // namespace

TEST_CASE("a loss that is better is recommended, with those that are as good, worse, and how sure it is") {
  const Card answer = card(compared({{"ce", 0}, {"dice", 0.1}, {"jaccard", 0.1002}}, 20, 3, 0.0005));
  const std::string words = words_of(answer);
  CHECK_MESSAGE(!answer.open, words);
  for (const char* part : {"Take ", "; 1 other is as good", "As good, within 0.01: ", "Worse: ce",
                           "20 test cases, 3 trainings of each loss", "of 3 (95 %)", "Not known: ", "HD95", "["})
    CHECK_MESSAGE(contains(words, part), words);
}

TEST_CASE("where no loss is told apart none is recommended") {
  const Card answer = card(compared({{"ce", 0}, {"dice", 0.01}}, 20, 2, 0.03));
  const std::string words = words_of(answer);
  CHECK_MESSAGE(answer.open, words);
  CHECK_MESSAGE(contains(words, "No loss stands out"), words);
  CHECK_MESSAGE(contains(words, "Not told apart from it: "), words);
  CHECK(!contains(words, "Take "));
}

TEST_CASE("one training, or few cases: no recommendation and no interval, but why and what would help") {
  const std::string once = words_of(card(compared({{"ce", 0}, {"dice", 0.1}}, 20, 1, 0)));
  for (const char* part : {"No loss can be recommended yet", "dice, mean Dice 0.7", "the lowest is ce",
                           "Each loss was trained with one seed", "What would help: Compare again with --seeds 3."})
    CHECK_MESSAGE(contains(once, part), once);
  CHECK_MESSAGE(!has_digits_of_interval(once), once);
  const std::string few = words_of(card(compared({{"ce", 0}, {"dice", 0.1}}, 5, 3, 0.001)));
  CHECK_MESSAGE(contains(few, "5 independent cases"), few);
  CHECK_MESSAGE(contains(few, "Compare again with --folds."), few);
  CHECK_MESSAGE(!has_digits_of_interval(few), few);
}

TEST_CASE("a single loss, several datasets, and what failed") {
  const std::string single = words_of(card(compared({{"ce", 0}}, 12, 2, 0.001)));
  CHECK_MESSAGE(single.starts_with("ce: mean Dice 0."), single);
  CHECK(!contains(single, "Take"));
  const std::string both = words_of(card(compared({{"ce", 0}, {"dice", 0.1}}, 12, 2, 0.001, {"a", "b"})));
  CHECK_MESSAGE(contains(both, "First by dataset: 2 of 2"), both);
  Comparison tie = compared({{"ce", 0}, {"dice", 0.1}}, 12, 2, 0.001, {"a", "b"});
  for (ComparedRun& run : tie.runs)
    if (run.dataset == "b" && run.loss == "ce") run = tested_run("b", "ce", run.seed, {});
  for (ComparedRun& run : tie.runs)
    if (run.dataset == "b" && run.loss == "ce")
      for (const ComparedRun& other : tie.runs)
        if (other.dataset == "b" && other.loss == "dice" && other.seed == run.seed) run.cases = other.cases;
  const std::string tied = words_of(card(tie));
  CHECK_MESSAGE(contains(tied, "First by dataset: 2 of 2"), tied);
  Comparison interrupted = compared({{"ce", 0}, {"dice", 0.1}}, 12, 2, 0.001);
  interrupted.protocol["losses"] = {"ce", "dice", "jaccard"};
  CHECK_MESSAGE(contains(words_of(card(interrupted)), "are missing: jaccard (0 trainings)"), "");
  Comparison comparison = compared({{"ce", 0}, {"dice", 0.1}}, 12, 2, 0.001);
  comparison.runs.front().diverged = true;
  comparison.runs.front().cases.clear();
  const std::string failed = words_of(card(comparison));
  CHECK_MESSAGE(contains(failed, "Failed: ce (1 of 2 trainings diverged)"), failed);
}

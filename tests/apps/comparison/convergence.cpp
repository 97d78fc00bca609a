// Trainings that are too short to rank their losses: they are recognised, named, and give no verdicts.
#include "apps/comparison/convergence.h"

#include <cmath>

#include "apps/comparison/analysis.h"
#include "apps/report/card.h"
#include "apps/report/paper/paper.h"
#include "engine/random.h"
#include "tests/apps/comparison.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

// A curve of ten validations that rises evenly to `end` in the first two thirds, and by `late` in the last.
std::vector<EpochRecord> curve(double end, double late) {
  std::vector<EpochRecord> history;
  for (int i = 1; i <= 10; ++i) {
    const double dice = i <= 6 ? end * i / 6 : end + late * (i - 6) / 4;
    history.push_back({i, 10 * i, 0.5, 1e-3, dice, {dice}});
  }
  return history;
}

// Three losses, three trainings each, twelve cases; c is far behind.
Comparison three_losses() {
  Random random(5);
  std::vector<ComparedRun> runs;
  for (const auto& [loss, mean] : {std::pair{"a", 0.8}, {"b", 0.7}, {"c", 0.5}})
    for (const std::uint64_t seed : {1, 2, 3}) {
      std::vector<double> dice;
      for (int i = 0; i < 12; ++i) dice.push_back(mean + 0.01 * random.normal());
      runs.push_back(tested_run("d", loss, seed, dice));
      runs.back().history = curve(mean, 0.005);
      runs.back().patches_per_case = 20;
    }
  Comparison comparison = made_up(runs);
  comparison.protocol["baseline"] = "b";
  return comparison;
}

void change(Comparison& comparison, const std::string& loss, void (*how)(ComparedRun&)) {
  for (ComparedRun& run : comparison.runs)
    if (run.loss == loss) how(run);
}

const LossStatistics& find(const Analysis& analysis, const std::string& loss) {
  return *std::find_if(analysis.losses.begin(), analysis.losses.end(),
                       [&](const auto& one) { return one.loss == loss; });
}

}  // namespace

TEST_CASE("trainings that have come to their end give verdicts, and the words say that they were long enough") {
  const Analysis analysis = analyse(three_losses()).front();
  CHECK(analysis.why_open.empty());
  for (const LossStatistics& loss : analysis.losses) {
    CHECK(loss.too_short.empty());
    CHECK(loss.convergence.rise == doctest::Approx(0.005));
    CHECK(loss.convergence.patches == 20);
  }
  CHECK(find(analysis, "a").to_baseline.verdict == Verdict::larger);
  CHECK(find(analysis, "c").to_baseline.verdict == Verdict::smaller);
  CHECK(contains(convergence_words(analysis), "long enough"));
  CHECK(contains(convergence_words(analysis), "0.005 at most"));
  Comparison flat = three_losses();
  for (const char* loss : {"a", "b", "c"})
    change(flat, loss, [](ComparedRun& run) { run.history = curve(0.5, -0.02); });
  CHECK(contains(convergence_words(analyse(flat).front()), "did not rise."));
}

TEST_CASE("a loss that still rises has no p, no rank interval and no verdict; the others keep theirs") {
  Comparison comparison = three_losses();
  change(comparison, "c", [](ComparedRun& run) { run.history = curve(0.4, 0.1); });
  const Analysis analysis = analyse(comparison).front();
  CHECK(analysis.why_open.empty());
  const LossStatistics& c = find(analysis, "c");
  CHECK_MESSAGE(contains(c.too_short, "rose by 0.10"), c.too_short);
  CHECK(c.to_baseline.verdict == Verdict::open);
  CHECK(std::isnan(c.to_baseline.p_holm));
  CHECK(std::isnan(c.ranks.low));
  CHECK(find(analysis, "a").to_baseline.verdict == Verdict::larger);
  CHECK(find(analysis, "a").wins == 1);
  CHECK(contains(convergence_words(analysis), "Too short to rank, use more --steps: c ("));
  CHECK(contains(ranking_text({analysis}), "Too short to rank"));
  const Json json = to_json(analysis);
  CHECK(contains(json.at("ranking").at(2).at("too_short"), "rose by"));
}

TEST_CASE("where less than two losses were trained long enough, nothing is said") {
  Comparison comparison = three_losses();
  for (const char* loss : {"b", "c"}) change(comparison, loss, [](ComparedRun& run) { run.patches_per_case = 0.16; });
  const Analysis analysis = analyse(comparison).front();
  CHECK_MESSAGE(contains(analysis.why_open, "2 of 3 losses are too short"), analysis.why_open);
  CHECK(contains(find(analysis, "b").too_short, "16 % of the training cases"));
  for (const LossStatistics& loss : analysis.losses) {
    CHECK(loss.to_baseline.verdict == Verdict::open);
    CHECK(loss.wins == 0);
  }
}

TEST_CASE("the cross entropy has not converged while its probabilities have another sum than the truth") {
  Comparison comparison = three_losses();
  comparison.numbers.insert(comparison.numbers.end(), {"tn", "soft_region_proportion_error"});
  for (ComparedRun& run : comparison.runs) {
    run.loss = run.loss == "c" ? "ce" : run.loss;
    // 100 voxels of the class in an image of 1000: the probabilities of ce have a sum that is 80 away from it.
    for (CaseNumbers& one : run.cases)
      for (std::vector<double>& row : one.classes) {
        row.push_back(900 - row[4]);
        row.push_back(run.loss == "ce" || run.loss == "a" ? 0.08 : 0.01);
      }
  }
  const Analysis analysis = analyse(comparison).front();
  CHECK(find(analysis, "ce").convergence.size_error == doctest::Approx(0.8));
  CHECK_MESSAGE(contains(find(analysis, "ce").too_short, "80 % away from the true sizes"),
                find(analysis, "ce").too_short);
  CHECK(find(analysis, "a").convergence.size_error == doctest::Approx(0.8));
  CHECK(find(analysis, "a").too_short.empty());  // only the minimum of the cross entropy has the true size
}

TEST_CASE("what was not recorded is not known, and stops nothing") {
  Comparison comparison = three_losses();
  for (const char* loss : {"a", "b", "c"})
    change(comparison, loss, [](ComparedRun& run) {
      run.history.clear();
      run.patches_per_case = std::nan("");
    });
  const Analysis analysis = analyse(comparison).front();
  CHECK(analysis.why_open.empty());
  CHECK(std::isnan(find(analysis, "a").convergence.rise));
  CHECK(contains(convergence_words(analysis), "is not known"));
}

TEST_CASE("the highest mean is not recommended while its trainings are too short") {
  Comparison comparison = three_losses();
  change(comparison, "a", [](ComparedRun& run) { run.history = curve(0.7, 0.1); });
  const std::vector<Analysis> analyses = analyse(comparison);
  const Card card = card_of(comparison, analyses);
  CHECK(card.open);
  CHECK(card.headline == "No loss can be recommended yet");
  const auto line = [&](const std::string& term) {
    for (const auto& [name, words] : card.lines)
      if (name == term) return words;
    return std::string();
  };
  CHECK(line("Not ranked") == "a");
  CHECK(contains(line("Length of the trainings"), "a (the validation Dice rose by 0.10"));
  std::vector<std::string> cited;
  CHECK(contains(methods_tex(comparison, analyses, cited), "were left out of all tests: \\texttt{a}."));
  for (const std::string& words : answer(comparison, analyses).words) CHECK_MESSAGE(!contains(words, " - "), words);
}

TEST_CASE("the ranks that a loss may have contradict no verdict") {
  const Analysis analysis = analyse(three_losses()).front();
  CHECK(find(analysis, "a").ranks.low == 1);
  CHECK(find(analysis, "a").ranks.high == 1);  // the two others are worse
  Comparison close = three_losses();
  change(close, "b", [](ComparedRun& run) {  // as good as a, and steadier than two seeds can show
    for (CaseNumbers& one : run.cases) one.classes[0][0] += 0.0995;
  });
  const Analysis open = analyse(close).front();
  REQUIRE(find(open, "b").to_best.verdict != Verdict::smaller);
  CHECK(find(open, "a").ranks.high == 2);
  CHECK(find(open, "b").ranks.low == 1);
}

TEST_CASE("a rise that is not known on one of two datasets is not known; a loss that diverged has none") {
  Comparison comparison = three_losses();
  const std::vector<ComparedRun> runs = comparison.runs;
  for (ComparedRun run : runs) {
    run.dataset = "e";
    if (run.loss == "b") run.history.clear();
    comparison.runs.push_back(run);
  }
  comparison.datasets.push_back(comparison.datasets[0]);
  comparison.datasets[1].name = "e";
  const Analysis both = analyse(comparison).back();
  CHECK(find(both, "a").convergence.rise == doctest::Approx(0.005));
  CHECK(std::isnan(find(both, "b").convergence.rise));
  CHECK(contains(convergence_words(both), "The trainings of 2 of 3 losses were long enough"));
  change(comparison, "b", [](ComparedRun& run) {
    run.diverged = run.dataset == "e";
    if (run.diverged) run.cases.clear();
  });
  const std::string diverged = convergence_words(analyse(comparison).back());
  CHECK_MESSAGE(contains(diverged, "the mean validation Dice of a loss rose by 0.005 at most"), diverged);
  change(comparison, "b", [](ComparedRun& run) {
    run.diverged = true;
    run.cases.clear();
    run.history.clear();
  });
  CHECK(contains(convergence_words(analyse(comparison).front()), "The trainings were long enough"));
}

// From scores to what may be said. Intervals and tests are about other units and other trainings
// (statistics/estimate.h). From a single training of a loss, from trainings that are too short (convergence.h), or from
// too few units, nothing can be said about the loss: then there are no p-values and no verdicts. The intervals of
// losses that were trained once are about these trainings on other units.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/convergence.h"
#include "apps/comparison/scores.h"
#include "apps/comparison/statistics/estimate.h"
#include "apps/comparison/statistics/ranking.h"

namespace voxgrad::apps {

inline constexpr std::int64_t kLeastUnits = 10;  // for a verdict: fewer have no reliable spread

// Compares a loss with another one on the same units.
struct Contrast {
  double difference = 0;       // of the means
  Interval interval{0, 0};     // its 95 % interval
  Interval interval_90{0, 0};  // lies within kMargin if the verdict is `equal`, as two one-sided tests at 5 % ask
  // Of the units, whatever the trainings: see statistics/paired.h. They take the units of all datasets together.
  double hodges_lehmann = 0, rank_biserial = 0;
  double p = 1, p_holm = 1;  // of no difference; p_holm is adjusted for all pairs of losses. NaN: nothing can be said
  Verdict verdict = Verdict::equal;
};

struct LossStatistics {
  std::string loss;
  int rank = 1, rank_by_mean_rank = 1, rank_by_wins = 1;  // 1 is best; equal ones share the better rank
  double mean = 0, sd_cases = 0, sd_seeds = 0;            // sd_seeds NaN for one seed
  // Of the cases, each for itself whatever its group: how much they spread, and how many have a Dice below 0.1.
  double median = 0, low_quartile = 0, high_quartile = 0, low_5 = 0;
  std::int64_t failures = 0;
  Interval interval{0, 0};         // 95 % interval of the mean
  double mean_rank = 0, wins = 0;  // wins: losses that it is better than
  Interval ranks{1, 1};            // 95 % interval of `rank`; NaN where nothing can be said
  // Classes that the truth of a case does not have, over the runs that have not diverged, and how many were found.
  std::int64_t absent = 0, alarms = 0;
  Contrast to_baseline, to_best;
  double seconds = 0, memory = 0;  // means over the runs
  std::int64_t diverged = 0, runs = 0;
  Convergence convergence;  // of several datasets: the worst of each number, and a rise that is not known
  std::string too_short;    // why its trainings are too short to rank it; empty: they are long enough
};

struct Analysis {
  std::string name, baseline;
  bool several = false;  // whether this is the mean over all datasets
  std::int64_t cases = 0, left_out = 0, units = 0;
  std::int64_t absent = 0;                   // of the loss of which most is known
  bool grouped = false;                      // units are groups of cases, at least in one of the datasets
  bool all_grouped = true;                   // in all of them
  std::int64_t seeds = 0, folds = 0;         // folds: 0 for the split of the file
  std::string why_open;                      // why nothing can be said about the losses; empty: verdicts hold
  double tau_median = 1, tau_low = 1;        // of rankings of other units and trainings
  std::vector<LossStatistics> losses;        // by rank
  std::vector<std::vector<double>> p_pairs;  // after Holm over all pairs, in the order of `losses`; NaN: see why_open
};
// Analyses one or several datasets together: scores are means of their means.
// `baseline` must be one of the losses.
Analysis analyse(const Comparison& comparison, const std::vector<Scores>& datasets, const std::string& baseline,
                 const std::string& name);
// Analyses every dataset, and last all of them together if there are several.
std::vector<Analysis> analyse(const Comparison& comparison);
// Returns the loss that others are compared with: the one of the protocol, else the first.
std::string baseline_of(const Comparison& comparison, const std::vector<std::string>& losses);

Json to_json(const Analysis& analysis);
// "448 test cases of 20 groups (3 without foreground left out)".
std::string cases_words(const Analysis& analysis);
// "3 trainings of each loss", "3 seeds in each of 5 folds".
std::string trainings_words(const Analysis& analysis);
// Returns the losses that are behind the best one in the mean, and said to be worse or the baseline, but ahead of it in
// the typical case, so that few units decide the mean. Of several datasets this is not known: the mean is one of their
// means, whatever their sizes.
std::vector<std::string> ahead_in_typical_case(const Analysis& analysis);
// Whether intervals say something about the losses: there are two trainings of each, and enough units. Where this is
// false neither a report nor a table shows them.
bool shows_intervals(const Analysis& analysis);
// "; diverged trainings are left out (2 of 3 of ce)", for numbers that such a training does not have; empty if there is
// none.
std::string without_diverged(const Analysis& analysis);
// Whether the trainings were long enough to rank the losses, in a sentence.
std::string convergence_words(const Analysis& analysis);
// Writes the rankings as tables for a person.
std::string ranking_text(const std::vector<Analysis>& analyses);

}  // namespace voxgrad::apps

// From runs to statistics. The unit is a case; its value is the Dice averaged over the foreground classes and over the
// seeds (a diverged run counts as 0). A loss takes part if all its runs are there.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/results.h"
#include "apps/comparison/statistics/bootstrap.h"
#include "apps/comparison/statistics/ranking.h"

namespace voxgrad::apps {

// The scores of one dataset, for every loss and case.
struct Scores {
  std::string dataset;
  std::vector<std::string> losses, cases;
  Stratum values;                          // [loss][case]
  std::vector<std::vector<double>> seeds;  // [loss][seed]: mean over the cases
  std::int64_t left_out = 0;               // cases whose Dice is undefined for one of the losses: nothing to find
};
// Returns the scores of every dataset, all with the same losses.
std::vector<Scores> scores_of(const Comparison& comparison);
// Returns the values alone, as the statistics need them.
std::vector<Stratum> strata_of(const std::vector<Scores>& scores);

// Compares a loss with another one on the same cases.
struct Contrast {
  double difference = 0;    // of the means
  Interval interval{0, 0};  // its 95 % interval
  double hodges_lehmann = 0, rank_biserial = 0, p = 1, p_holm = 1;
  Verdict verdict = Verdict::equal;
};

struct LossStatistics {
  std::string loss;
  int rank = 1, rank_by_mean_rank = 1, rank_by_wins = 1;  // 1 is best; equal ones share the better rank
  double mean = 0, sd_cases = 0, sd_seeds = 0;            // sd_seeds NaN for one seed
  double median = 0, low_quartile = 0, high_quartile = 0, low_5 = 0;
  std::int64_t failures = 0;  // cases with a Dice below 0.1
  Interval interval{0, 0};    // 95 % interval of the mean
  double mean_rank = 0, wins = 0;
  Interval ranks{1, 1};  // 95 % interval of `rank`
  Contrast to_baseline, to_best;
  double seconds = 0, memory = 0;  // means over the runs
  std::int64_t diverged = 0, runs = 0;
};

struct Analysis {
  std::string name, baseline;
  std::int64_t cases = 0, left_out = 0;
  Friedman friedman;
  double tau_median = 1, tau_low = 1;
  std::vector<LossStatistics> losses;        // by rank
  std::vector<std::vector<double>> p_pairs;  // Wilcoxon after Holm over all pairs, in the order of `losses`
};
// Analyses one or several datasets together: scores are means of their means, tests are over all their cases.
// `baseline` must be one of the losses.
Analysis analyse(const Comparison& comparison, const std::vector<Scores>& datasets, const std::string& baseline,
                 const std::string& name);
// Analyses every dataset, and last all of them together if there are several.
std::vector<Analysis> analyse(const Comparison& comparison);
// Returns the loss that others are compared with: the one of the protocol, else the first.
std::string baseline_of(const Comparison& comparison, const std::vector<std::string>& losses);

Json to_json(const Analysis& analysis);
// Writes the rankings as tables for a person.
std::string ranking_text(const std::vector<Analysis>& analyses);

}  // namespace voxgrad::apps

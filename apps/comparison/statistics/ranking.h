// Many losses on the same cases: rankings, and how stable they are. Definitions as in Wiesenfarth et al., "challengeR",
// Scientific Reports 2021.
// values[loss][case], larger is better, no NaN (a case without a value counts as 0 before it comes here).
#pragma once

#include <vector>

#include "apps/comparison/statistics/bootstrap.h"

namespace voxgrad::apps {

// Returns the ranks of scores. The largest has rank 1; equal scores share the smallest of their ranks.
std::vector<int> ranks_of(const std::vector<double>& scores);
// Returns for each loss the mean of its ranks over the cases; 1 is best.
std::vector<double> mean_ranks(const Stratum& values);
// Returns Kendall's tau-b of two lists, between -1 and 1. It takes account of ties in both. It is NaN if all values of
// a list are equal.
double kendall_tau_b(const std::vector<double>& x, const std::vector<double>& y);

// How the ranking by mean changes when cases and trainings change.
struct Stability {
  std::vector<Interval> ranks;  // 95 % interval of the rank of each loss
  double tau_median, tau_low;   // tau-b between resampled and full ranking: median and 5th percentile
};
// `means` are those of bootstrap_means(); kRankedResamples are enough.
inline constexpr int kRankedResamples = 1000;
Stability rank_stability(const std::vector<double>& scores, const std::vector<std::vector<double>>& means);

}  // namespace voxgrad::apps

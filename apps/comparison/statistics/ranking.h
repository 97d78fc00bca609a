// Many losses on the same cases: rankings, how stable they are, and whether there is any difference at all.
// Definitions as in Wiesenfarth et al., "challengeR", Scientific Reports 2021, and Demsar, JMLR 2006.
// values[loss][case], larger is better, no NaN (a case without a value counts as 0 before it comes here).
#pragma once

#include <vector>

#include "apps/comparison/statistics/bootstrap.h"

namespace voxgrad::apps {

// Ranks from scores, the largest first; equal scores share the smallest of their ranks.
std::vector<int> ranks_of(const std::vector<double>& scores);
// Mean over the cases of the average rank of each loss, 1 the best.
std::vector<double> mean_ranks(const Stratum& values);
// Of each loss the number of others that it beats: one-sided Wilcoxon, p < alpha after Holm over all ordered pairs.
std::vector<double> significant_wins(const Stratum& values, double alpha = 0.05);

// Is any loss better than another? Friedman's test over cases (rows), with the correction for ties; chi^2 with k - 1
// degrees of freedom. Then two mean ranks differ at 5 % if they are farther apart than the critical difference
// q sqrt(k (k + 1) / (6 n)) of Nemenyi, q the 95 % point of the range of k normal variables over sqrt(2).
struct Friedman {
  double chi2 = 0, p = 1, critical_difference = 0;
};
Friedman friedman(const Stratum& values);
// P(chi^2 with `freedom` degrees of freedom > x).
double chi2_tail(double x, double freedom);
// The 95 % point of the studentized range of k variables, infinite degrees of freedom, over sqrt(2); k >= 2.
double nemenyi_q(std::size_t k);

// Kendall's tau-b of two lists, -1 .. 1, which counts ties in either; NaN if one of them has no two different values.
double kendall_tau_b(const std::vector<double>& x, const std::vector<double>& y);

// How the ranking by mean changes when the cases change.
struct Stability {
  std::vector<Interval> ranks;  // 95 % interval of the rank of each loss
  double tau_median, tau_low;   // tau-b between resampled and full ranking: median and 5th percentile
};
// `means` as bootstrap_means() makes them; the first 1000 resamples are used.
Stability rank_stability(const std::vector<double>& scores, const std::vector<std::vector<double>>& means);

}  // namespace voxgrad::apps

// Many losses on the same cases: rankings, how stable they are, and whether there is any difference at all.
// Definitions as in Wiesenfarth et al., "challengeR", Scientific Reports 2021, and Demsar, JMLR 2006.
// values[loss][case], larger is better, no NaN (a case without a value counts as 0 before it comes here).
#pragma once

#include <vector>

#include "apps/comparison/statistics/bootstrap.h"

namespace voxgrad::apps {

// Returns the ranks of scores. The largest has rank 1; equal scores share the smallest of their ranks.
std::vector<int> ranks_of(const std::vector<double>& scores);
// Returns for each loss the mean of its ranks over the cases; 1 is best.
std::vector<double> mean_ranks(const Stratum& values);
// Returns for each loss the number of others that it beats: its one-sided Wilcoxon test has p < alpha after Holm over
// all ordered pairs.
std::vector<double> significant_wins(const Stratum& values, double alpha = 0.05);

// Is any loss better than another? This is Friedman's test over the cases, with the correction for ties; chi^2 has k -
// 1 degrees of freedom. If it finds a difference, two mean ranks differ at 5 % if they are farther apart than the
// critical difference of Nemenyi, q sqrt(k (k + 1) / (6 n)). q is the 95 % point of the range of k normal variables
// over sqrt(2).
struct Friedman {
  double chi2 = 0, p = 1, critical_difference = 0;
};
Friedman friedman(const Stratum& values);
// Returns P(chi^2 > x) with `freedom` degrees of freedom.
double chi2_tail(double x, double freedom);
// Returns the 95 % point of the studentized range of k >= 2 variables with infinite degrees of freedom, over sqrt(2).
double nemenyi_q(std::size_t k);

// Returns Kendall's tau-b of two lists, between -1 and 1. It takes account of ties in both. It is NaN if all values of
// a list are equal.
double kendall_tau_b(const std::vector<double>& x, const std::vector<double>& y);

// How the ranking by mean changes when the cases change.
struct Stability {
  std::vector<Interval> ranks;  // 95 % interval of the rank of each loss
  double tau_median, tau_low;   // tau-b between resampled and full ranking: median and 5th percentile
};
// `means` are those of bootstrap_means(), of which the first 1000 resamples are used.
Stability rank_stability(const std::vector<double>& scores, const std::vector<std::vector<double>>& means);

}  // namespace voxgrad::apps

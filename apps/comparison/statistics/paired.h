// Two losses on the same cases: is there a difference, how large is it, and can a relevant one be excluded?
// The unit is the case, its value averaged over seeds; the runs of several seeds are not independent cases.
#pragma once

#include <cstdint>
#include <vector>

namespace voxgrad::apps {

// Returns the ranks 1 .. n of the values; the smallest has rank 1, and equal values share the mean of their ranks.
// There must be no NaN.
std::vector<double> average_ranks(const std::vector<double>& values);

// Returns a - b for every case, rounded to twelve digits. Differences that only the last bits of a mean over seeds tell
// apart become ties, and tiny ones become 0.
std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b);

// The two-sided signed-rank test of Wilcoxon (Biometrics 1945) of paired differences. Differences that are 0 are
// dropped. If at most kExactCases are left, p is exact, also with ties: it is the share of the 2^n sign patterns whose
// W+ is at least as far from its mean as the observed one. For more cases it is the normal approximation with sd^2 = n
// (n + 1)(2 n + 1) / 24 - sum(t^3 - t) / 48 and the continuity correction 1/2.
inline constexpr std::int64_t kExactCases = 50;
struct Wilcoxon {
  std::int64_t n = 0;        // differences that are not 0
  double w_plus = 0;         // sum of the ranks of the positive ones
  double w_minus = 0;        // sum of the ranks of the negative ones
  double p = 1;              // 1 for n = 0
  double rank_biserial = 0;  // effect size (W+ - W-) / (W+ + W-), -1 .. 1; 0 for n = 0 (Kerby, 2014)
};
Wilcoxon wilcoxon(const std::vector<double>& differences);
// Returns the two-sided p of the normal approximation for any n, from W+ and the ranks of |difference|.
double wilcoxon_normal_p(const std::vector<double>& ranks, double w_plus);

// Returns the median of the n (n + 1) / 2 means of two differences, where a difference is also paired with itself. It
// says where the differences lie and depends less on single cases than their mean (Hodges and Lehmann, 1963). NaN if
// there are none.
double hodges_lehmann(const std::vector<double>& differences);

// Adjusts the p-values of m tests, so that the chance of any false positive among them stays below the level (Holm,
// 1979): adjusted p_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)).
std::vector<double> holm(const std::vector<double>& p);

}  // namespace voxgrad::apps

#include "apps/comparison/statistics/paired.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace voxgrad::apps {
namespace {

// Returns the indices that sort the values.
std::vector<std::size_t> order_of(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  return order;
}

// Returns the k-th smallest sum, from 0 on, of two of these sorted values, or of one and itself. The list of all sums
// of 60,000 test cases would need 14 GB; to count those up to a limit takes one pass.
double sum_at(const std::vector<double>& sorted, std::int64_t k) {
  const auto at_most = [&](double limit) {
    std::int64_t count = 0;
    for (auto first = sorted.begin(), end = sorted.end(); first < end; ++first) {
      while (end > first && *first + end[-1] > limit) --end;  // the partners of the next ones are no more than these
      count += end - first;
    }
    return count;
  };
  double low = 2 * sorted.front(), high = 2 * sorted.back();
  if (at_most(low) > k) return low;
  for (;;) {  // at_most(low) <= k < at_most(high)
    const double middle = low / 2 + high / 2;
    if (!(low < middle && middle < high)) return high + 0.0;  // no -0
    (at_most(middle) > k ? high : low) = middle;
  }
}

// Returns the share of sign patterns whose sum of positive ranks is as far from the mean as `w_plus` or farther. Ranks
// are multiples of 1/2, so twice their sums are whole numbers: the distribution is counted up rank by rank.
double exact_p(const std::vector<double>& ranks, double w_plus) {
  std::vector<double> ways{1};  // exact: at most 2^50
  for (const double rank : ranks) {
    const auto twice = static_cast<std::size_t>(std::lround(2 * rank));
    std::vector<double> next(ways.size() + twice, 0);
    for (std::size_t sum = 0; sum < ways.size(); ++sum) {
      next[sum] += ways[sum];
      next[sum + twice] += ways[sum];
    }
    ways = std::move(next);
  }
  const std::int64_t total = std::ssize(ways) - 1;  // twice the sum of all ranks
  const std::int64_t distance = std::llabs(2 * std::llround(2 * w_plus) - total);
  double count = 0;
  for (std::int64_t sum = 0; sum <= total; ++sum)
    if (std::llabs(2 * sum - total) >= distance) count += ways[static_cast<std::size_t>(sum)];
  return count / std::ldexp(1.0, static_cast<int>(ranks.size()));
}

}  // namespace

std::vector<double> average_ranks(const std::vector<double>& values) {
  const std::vector<std::size_t> order = order_of(values);
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i + 1;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    const double rank = 0.5 * static_cast<double>(i + 1 + end);
    for (; i < end; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

double wilcoxon_normal_p(const std::vector<double>& ranks, double w_plus) {
  const double n = static_cast<double>(ranks.size());
  std::vector<double> sorted = ranks;
  std::sort(sorted.begin(), sorted.end());
  double ties = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    const std::size_t begin = i;
    while (i < sorted.size() && sorted[i] == sorted[begin]) ++i;
    const double t = static_cast<double>(i - begin);
    ties += t * t * t - t;
  }
  const double sd = std::sqrt(n * (n + 1) * (2 * n + 1) / 24 - ties / 48);
  const double z = (std::fabs(w_plus - n * (n + 1) / 4) - 0.5) / sd;
  return sd > 0 ? std::min(1.0, std::erfc(z / std::sqrt(2.0))) : 1;
}

Wilcoxon wilcoxon(const std::vector<double>& differences) {
  std::vector<double> sizes;
  std::vector<bool> positive;
  for (const double d : differences) {
    if (d == 0) continue;
    sizes.push_back(std::fabs(d));
    positive.push_back(d > 0);
  }
  Wilcoxon result;
  result.n = std::ssize(sizes);
  if (sizes.empty()) return result;
  const std::vector<double> ranks = average_ranks(sizes);
  for (std::size_t i = 0; i < ranks.size(); ++i) (positive[i] ? result.w_plus : result.w_minus) += ranks[i];
  result.p = result.n <= kExactCases ? exact_p(ranks, result.w_plus) : wilcoxon_normal_p(ranks, result.w_plus);
  result.rank_biserial = (result.w_plus - result.w_minus) / (result.w_plus + result.w_minus);
  return result;
}

std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = std::round((a[i] - b[i]) * 1e12) / 1e12;
  return differences;
}

double hodges_lehmann(const std::vector<double>& differences) {
  if (differences.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> sorted = differences;
  std::sort(sorted.begin(), sorted.end());
  const std::int64_t n = std::ssize(sorted), count = n * (n + 1) / 2;
  const double middle = sum_at(sorted, count / 2) / 2;
  return count % 2 == 1 ? middle : (middle + sum_at(sorted, count / 2 - 1) / 2) / 2;
}

std::vector<double> holm(const std::vector<double>& p) {
  const std::vector<std::size_t> order = order_of(p);
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    adjusted[order[i]] = largest;
  }
  return adjusted;
}

}  // namespace voxgrad::apps

#include "apps/comparison/statistics/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/comparison/statistics/paired.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Returns the average ranks of the losses on one case, 1 for the largest value.
std::vector<double> ranks_in_case(const Stratum& values, std::size_t index) {
  std::vector<double> negative;
  for (const std::vector<double>& loss : values) negative.push_back(-loss[index]);
  return average_ranks(negative);
}

}  // namespace

std::vector<int> ranks_of(const std::vector<double>& scores) {
  std::vector<int> ranks;
  for (const double score : scores)
    ranks.push_back(
        1 + static_cast<int>(std::count_if(scores.begin(), scores.end(), [&](double other) { return other > score; })));
  return ranks;
}

std::vector<double> mean_ranks(const Stratum& values) {
  std::vector<double> means(values.size(), 0);
  const std::size_t cases = values.empty() ? 0 : values.front().size();
  for (std::size_t i = 0; i < cases; ++i) {
    const std::vector<double> ranks = ranks_in_case(values, i);
    for (std::size_t k = 0; k < ranks.size(); ++k) means[k] += ranks[k] / static_cast<double>(cases);
  }
  return means;
}

double kendall_tau_b(const std::vector<double>& x, const std::vector<double>& y) {
  double agreement = 0, pairs_x = 0, pairs_y = 0;
  const auto sign = [](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; };
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const double a = sign(x[i] - x[j]), b = sign(y[i] - y[j]);
      agreement += a * b;
      pairs_x += a * a;
      pairs_y += b * b;
    }
  if (pairs_x == 0 || pairs_y == 0) return std::numeric_limits<double>::quiet_NaN();
  return agreement / std::sqrt(pairs_x * pairs_y);
}

Stability rank_stability(const std::vector<double>& scores, const std::vector<std::vector<double>>& means) {
  const std::size_t resamples = means.empty() ? 0 : means.front().size();
  std::vector<std::vector<double>> ranks(scores.size());
  std::vector<double> taus;
  for (std::size_t b = 0; b < resamples; ++b) {
    std::vector<double> resampled;
    for (const std::vector<double>& loss : means) resampled.push_back(loss[b]);
    const std::vector<int> order = ranks_of(resampled);
    for (std::size_t k = 0; k < order.size(); ++k) ranks[k].push_back(order[k]);
    const double tau = kendall_tau_b(scores, resampled);
    if (!std::isnan(tau)) taus.push_back(tau);
  }
  Stability result;
  for (std::vector<double>& of_loss : ranks) {
    std::sort(of_loss.begin(), of_loss.end());
    result.ranks.push_back({std::floor(quantile(of_loss, 0.025)), std::ceil(quantile(of_loss, 0.975))});
  }
  std::sort(taus.begin(), taus.end());
  result.tau_median = quantile(taus, 0.5);
  result.tau_low = quantile(taus, 0.05);
  return result;
}

}  // namespace voxgrad::apps

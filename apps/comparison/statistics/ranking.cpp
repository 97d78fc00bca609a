#include "apps/comparison/statistics/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "apps/comparison/statistics/paired.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr std::size_t kRankedResamples = 1000;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// P(the range of k standard normal variables <= q) = k int phi(x) (Phi(x) - Phi(x - q))^(k - 1) dx, by Simpson's rule.
double range_cdf(double q, std::size_t k) {
  constexpr int kSteps = 800;
  constexpr double kLow = -8, kHigh = 8;
  const double step = (kHigh - kLow) / kSteps;
  double total = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double x = kLow + i * step;
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double weight = i == 0 || i == kSteps ? 1 : i % 2 == 1 ? 4 : 2;
    total += weight * density * std::pow(normal_cdf(x) - normal_cdf(x - q), static_cast<double>(k - 1));
  }
  return static_cast<double>(k) * total * step / 3;
}

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

std::vector<double> significant_wins(const Stratum& values, double alpha) {
  std::vector<double> p, wins(values.size(), 0);
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = 0; b < values.size(); ++b) {
      if (a == b) continue;
      const Wilcoxon test = wilcoxon(paired_differences(values[a], values[b]));
      p.push_back(test.w_plus > test.w_minus ? test.p / 2 : 1 - test.p / 2);
    }
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < adjusted.size(); ++i)
    if (adjusted[i] < alpha) wins[i / (values.size() - 1)] += 1;
  return wins;
}

double chi2_tail(double x, double freedom) {
  // Regularised incomplete gamma function of a = freedom / 2: a series below a + 1, a continued fraction above
  // (Abramowitz and Stegun 6.5.29 and 6.5.31).
  const double a = freedom / 2, z = x / 2;
  if (!(z > 0)) return 1;
  const double factor = std::exp(-z + a * std::log(z) - std::lgamma(a));
  if (z < a + 1) {
    double term = 1 / a, sum = term;
    for (double n = a + 1; term > sum * 1e-16; ++n) sum += term *= z / n;
    return 1 - factor * sum;
  }
  constexpr double kTiny = 1e-300;
  double b = z + 1 - a, c = 1 / kTiny, d = 1 / b, fraction = d;
  for (int i = 1; i < 10000; ++i) {
    const double numerator = -i * (i - a);
    b += 2;
    d = numerator * d + b;
    if (std::fabs(d) < kTiny) d = kTiny;
    c = b + numerator / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    d = 1 / d;
    fraction *= d * c;
    if (std::fabs(d * c - 1) < 1e-15) break;
  }
  return factor * fraction;
}

double nemenyi_q(std::size_t k) {
  check(k >= 2, "nemenyi_q: ", k, " losses; at least 2 are compared");
  double low = 0, high = 20;
  while (high - low > 1e-9) {
    const double middle = (low + high) / 2;
    (range_cdf(middle, k) < 0.95 ? low : high) = middle;
  }
  return low / std::numbers::sqrt2;
}

Friedman friedman(const Stratum& values) {
  Friedman result;
  const std::size_t losses = values.size(), cases = losses == 0 ? 0 : values.front().size();
  if (losses < 2 || cases < 2) return result;
  const double k = static_cast<double>(losses), n = static_cast<double>(cases);
  // chi^2 = (k - 1) sum_j (R_j - n (k + 1) / 2)^2 / (sum_ij r_ij^2 - n k (k + 1)^2 / 4), equal to the usual form
  // without ties.
  std::vector<double> sums(losses, 0);
  double squares = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    const std::vector<double> ranks = ranks_in_case(values, i);
    for (std::size_t j = 0; j < losses; ++j) {
      sums[j] += ranks[j];
      squares += ranks[j] * ranks[j];
    }
  }
  double between = 0;
  for (const double sum : sums) between += (sum - n * (k + 1) / 2) * (sum - n * (k + 1) / 2);
  const double within = squares - n * k * (k + 1) * (k + 1) / 4;
  if (within > 0) {
    result.chi2 = (k - 1) * between / within;
    result.p = chi2_tail(result.chi2, k - 1);
  }
  result.critical_difference = nemenyi_q(losses) * std::sqrt(k * (k + 1) / (6 * n));
  return result;
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
  const std::size_t resamples = means.empty() ? 0 : std::min(kRankedResamples, means.front().size());
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

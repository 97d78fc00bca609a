#include "apps/comparison/statistics/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kOneSided = 1.645;  // 95 % of a normal distribution are below

// The continued fraction of the incomplete beta function (Abramowitz and Stegun, 26.5.8), evaluated from the front.
double beta_fraction(double x, double a, double b) {
  constexpr double kLeast = 1e-300, kEnough = 1e-15;
  double c = 1, d = 1 / std::max(1 - (a + b) * x / (a + 1), kLeast), result = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      c = 1 + term / c;
      d = 1 / (std::fabs(d) < kLeast ? kLeast : d);
      step = c * d;
      result *= step;
    }
    if (std::fabs(step - 1) < kEnough) break;
  }
  return result;
}

// I_x(a, b), the regularised incomplete beta function.
double incomplete_beta(double x, double a, double b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(x, a, b) / a : 1 - front * beta_fraction(1 - x, b, a) / b;
}

}  // namespace

double student_tail(double t, double freedom) {
  if (std::isinf(freedom)) return 0.5 * std::erfc(t / std::numbers::sqrt2);
  const double half = 0.5 * incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5);
  return t > 0 ? half : 1 - half;
}

double student_point(double p, double freedom) {
  if (p > 0.5) return -student_point(1 - p, freedom);
  double low = 0, high = 1;
  while (student_tail(high, freedom) > p) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-14 * high; ++i)
    (student_tail((low + high) / 2, freedom) > p ? low : high) = (low + high) / 2;
  return (low + high) / 2;
}

double digamma(double x) {
  double shift = 0;
  for (; x < 8; ++x) shift -= 1 / x;
  const double r = 1 / (x * x);  // the asymptotic series (Abramowitz and Stegun, 6.3.18)
  return shift + std::log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r / 132))));
}

double trigamma(double x) {
  double shift = 0;
  for (; x < 8; ++x) shift += 1 / (x * x);
  const double r = 1 / (x * x);  // 6.4.12
  return shift + 1 / x + r / 2 + r / x * (1.0 / 6 - r * (1.0 / 30 - r * (1.0 / 42 - r * (1.0 / 30 - r * 5 / 66))));
}

double trigamma_inverse(double y) {
  double low = 1e-8, high = 1e8;  // trigamma falls
  for (int i = 0; i < 200 && high / low > 1 + 1e-14; ++i) {
    const double middle = std::sqrt(low * high);
    (trigamma(middle) > y ? low : high) = middle;
  }
  return std::sqrt(low * high);
}

TrainingVariances training_variances(const std::vector<std::vector<double>>& seeds) {
  TrainingVariances result;
  result.of_mean.assign(seeds.size(), 0.0);
  const auto trainings = static_cast<double>(seeds.empty() ? 0 : seeds.front().size());
  if (trainings < 2) return result;
  const double own = trainings - 1, count = static_cast<double>(seeds.size());
  std::vector<double> variances;
  for (const std::vector<double>& of_loss : seeds) {
    const double deviation = losses::summarise(of_loss).deviation;
    variances.push_back(deviation * deviation);
  }
  const double typical = losses::summarise(variances).mean,
               least = 1e-5 * typical;  // so that every one has a logarithm
  if (typical == 0) return result;
  std::vector<double> logs;
  for (const double variance : variances)
    logs.push_back(std::log(std::max(variance, least)) - digamma(own / 2) + std::log(own / 2));
  // The logarithms of samples from one distribution have this variance, which is itself uncertain: about 4 / d is the
  // excess kurtosis of ln chi^2.
  const double common = trigamma(own / 2), slack = std::sqrt(2 / (count - 1) + 4 / (own * count));
  const losses::Summary spread = losses::summarise(logs);
  const double found = spread.deviation * spread.deviation;
  double prior = 0, center = 0;  // d0 and s0^2; a single loss has its own variance
  if (found <= common * (1 + kOneSided * slack)) {
    prior = kInfinite;
    center = typical;
  } else if (found > common) {
    prior = 2 * trigamma_inverse(found - common);
    center = std::exp(spread.mean + digamma(prior / 2) - std::log(prior / 2));
  }
  for (std::size_t k = 0; k < variances.size(); ++k) {
    const double moderated = std::isinf(prior) ? center : (prior * center + own * variances[k]) / (prior + own);
    result.of_mean[k] = std::max(moderated, variances[k]) / trainings;
  }
  result.freedom = std::min(prior + own, count * own);  // no more than all trainings together have
  return result;
}

Estimate::Estimate(const std::vector<double>& units, double training_variance, double training_freedom)
    : value_(losses::summarise(units).mean) {
  const auto n = static_cast<double>(units.size());
  const double deviation = losses::summarise(units).deviation;
  if (units.size() < 2)
    parts_.push_back({kInfinite, 1});
  else if (deviation > 0)
    parts_.push_back({deviation * deviation / n, n - 1});
  if (training_variance > 0) parts_.push_back({training_variance, training_freedom});
}

Estimate Estimate::mean(const std::vector<Estimate>& datasets) {
  Estimate result;
  const auto count = static_cast<double>(datasets.size());
  for (const Estimate& one : datasets) {
    result.value_ += one.value_ / count;
    for (const Part& part : one.parts_) result.parts_.push_back({part.variance / (count * count), part.freedom});
  }
  return result;
}

double Estimate::error() const {
  double variance = 0;
  for (const Part& part : parts_) variance += part.variance;
  return std::sqrt(variance);
}

double Estimate::freedom() const {
  const double variance = error() * error();
  double parts = 0;
  for (const Part& part : parts_) parts += part.variance * part.variance / part.freedom;
  return parts > 0 ? variance * variance / parts : kInfinite;
}

Interval Estimate::interval(double level) const {
  if (std::isinf(error())) return {std::nan(""), std::nan("")};
  const double half = error() > 0 ? error() * student_point((1 - level) / 2, freedom()) : 0;
  return {value_ - half, value_ + half};
}

double Estimate::tail(double distance) const {
  if (std::isinf(error())) return 0.5;
  if (error() == 0) return distance > 0 ? 0 : distance < 0 ? 1 : 0.5;
  return student_tail(distance / error(), freedom());
}

double Estimate::p() const { return std::min(1.0, 2 * tail(std::fabs(value_))); }

double Estimate::p_outside(double margin) const { return std::max(tail(margin - value_), tail(margin + value_)); }

}  // namespace voxgrad::apps

// How far a mean, or a difference of means, may be from what other cases and other trainings would give. Both are drawn
// anew when somebody repeats a comparison: other patients are tested, and the same loss is trained from another seed.
//   SE^2 = s_units^2 / n + sum over the losses of s_seeds^2 / S
// n units are independent of each other: patients, or cases if no groups are known; a unit's value is the mean over its
// cases and over the seeds. s_seeds is the deviation of the mean over the units between S seeds, moderated as below.
// The mean of K datasets has SE^2 = sum SE_k^2 / K^2. The degrees of freedom are those of Satterthwaite (Biometrics
// Bulletin 1946).
#pragma once

#include <vector>

#include "apps/training/interval.h"

namespace voxgrad::apps {

// How much the mean over the units varies between the trainings of each loss. Two or three trainings show little of
// that, and among many losses some have by chance trainings that are nearly the same. Their variances borrow from those
// of all losses on the same data (moderated variances: Smyth, Statistical Applications in Genetics and Molecular
// Biology 2004): s_k^2 becomes (d0 s0^2 + d s_k^2) / (d0 + d) with d = S - 1. The more alike the variances of the
// losses are, the larger is d0: infinite unless they differ by more than those of samples from one distribution would
// (one-sided, 5 %), near 0 if some losses are far less steady than others. No variance becomes smaller than it was
// found: with few losses d0 itself is uncertain, and this keeps the share of wrong verdicts below 5 or 6 % there, too.
struct TrainingVariances {
  std::vector<double> of_mean;  // by loss: of the mean over its S trainings; 0 for a single one, which says nothing
  double freedom = 1;           // of each, and of the sum of two
};
// seeds[loss][seed], as many seeds of each loss.
TrainingVariances training_variances(const std::vector<std::vector<double>>& seeds);

class Estimate {
 public:
  Estimate() = default;
  // The mean of `units`, with the variance of the mean that other trainings add.
  explicit Estimate(const std::vector<double>& units, double training_variance = 0, double training_freedom = 1);
  static Estimate mean(const std::vector<Estimate>& datasets);

  double value() const { return value_; }
  double error() const;                   // the standard error
  double freedom() const;                 // degrees of freedom; infinite without any spread
  Interval interval(double level) const;  // of Student's t; NaN for a single unit
  double p() const;                       // two-sided, that the true value is 0; 1 for a single unit
  // The larger p of two one-sided tests, that the true value is below -margin or above margin (Schuirmann, 1987).
  double p_outside(double margin) const;

 private:
  struct Part {
    double variance, freedom;
  };
  double tail(double distance) const;  // P(an estimate exceeds the true value by more)
  double value_ = 0;
  std::vector<Part> parts_;
};

// The first and the second derivative of ln Gamma(x), x > 0, and the inverse of the second.
double digamma(double x);
double trigamma(double x);
double trigamma_inverse(double y);

// P(T > t) of Student's t with `freedom` degrees of freedom, which may be infinite, and its inverse: the t with tail
// `p`, 0 < p < 1.
double student_tail(double t, double freedom);
double student_point(double p, double freedom);

}  // namespace voxgrad::apps

// From the values of a metric over the cases to one number. Two kinds of values are not ordinary numbers:
//   undefined (NaN)   Both masks are empty, or one is and the metric is a ratio to it (losses/metrics/metrics.h). The
//                     value is left out, and such cases are counted. A case in which a method finds nothing is thus
//                     left out of its mean precision and MCC, so that these alone are no ranking.
//   infinite          A distance where one mask is empty. In means it is replaced by the diagonal of the image, so that
//                     a method does not gain by failing completely. In medians and ranks it stays infinite.
// Only distances are ever infinite: a volume relative to a true volume of 0 is undefined, as every ratio to 0.
// The secondary mean `empty_is_perfect` counts a case in which both masks are empty as a perfect segmentation.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace voxgrad::losses {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Mean and sample standard deviation (n - 1; NaN for n < 2) of the values that are not NaN; mean NaN if there is none.
struct Summary {
  double mean, deviation;
  std::int64_t count;  // values that are not NaN
};
[[nodiscard]] Summary summarise(const std::vector<double>& values);

// The value of one case.
struct Observation {
  double value;
  double diagonal;  // of the image, mm
  bool both_empty;  // the class is neither in the truth nor in the prediction
  // The value, or the diagonal with its sign if the value is infinite.
  [[nodiscard]] double finite() const;
};
struct Aggregate {
  double mean, deviation;                         // with the diagonal for infinite values
  double lower_quartile, median, upper_quartile;  // may be infinite
  double empty_is_perfect;                        // mean
  std::int64_t count, undefined, infinite;        // count + undefined = cases
};
// `perfect`: the value of a perfect segmentation.
[[nodiscard]] Aggregate aggregate(const std::vector<Observation>& cases, double perfect);

// Quantile of a sorted list, interpolated linearly between ranks (share 0: the first, 1: the last); NaN for an empty
// list.
[[nodiscard]] double quantile(const std::vector<double>& sorted, double share);

}  // namespace voxgrad::losses

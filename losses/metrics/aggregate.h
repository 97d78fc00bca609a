// From the values of a metric over the cases to one number, with rules for values that are no ordinary numbers:
//   undefined (NaN: nothing there and nothing found)   left out, and counted
//   infinite (a distance, with one mask empty)         in means the diagonal of the image, so that a method does not
//                                                      gain by failing completely; infinite in medians and ranks
// Only distances are ever infinite: a volume relative to a true one of 0 is undefined, as every ratio to 0.
// The secondary mean `empty_is_perfect` counts a class that is neither there nor found as a perfect segmentation.
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
Summary summarise(const std::vector<double>& values);

// One case.
struct Observation {
  double value;
  double diagonal;  // of the image, mm
  bool both_empty;  // neither in the truth nor in the prediction
  double finite() const;
};
struct Aggregate {
  double mean, deviation;                         // with diagonals for infinite values
  double lower_quartile, median, upper_quartile;  // may be infinite
  double empty_is_perfect;                        // mean
  std::int64_t count, undefined, infinite;        // count + undefined = cases
};
// `perfect`: the value of a perfect segmentation.
Aggregate aggregate(const std::vector<Observation>& cases, double perfect);

// Quantile of a sorted list, interpolated linearly between ranks (share 0: the first, 1: the last); NaN of an empty
// one.
double quantile(const std::vector<double>& sorted, double share);

}  // namespace voxgrad::losses

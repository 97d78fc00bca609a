// Intervals of numbers that were found on resampled cases (percentile bootstrap; Efron, 1979).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace voxgrad::apps {

struct Interval {
  double low, high;
};

// The quantiles of the values at two shares 0 .. 1, linear between neighbours. NaN for no values.
Interval quantiles(std::vector<double> values, double low, double high);

// The 95 % interval of a number that `statistic` computes from a choice of cases: indices 0 .. count - 1, drawn with
// repetition and a fixed seed. Samples for which it is NaN are left out. NaN for fewer than kFewestCases, which repeat
// each other too often to say how others would be.
inline constexpr std::size_t kFewestCases = 6;
Interval bootstrap_interval(std::size_t count, const std::function<double(const std::vector<std::size_t>&)>& statistic,
                            int samples = 2000);

}  // namespace voxgrad::apps

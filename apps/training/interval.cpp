#include "apps/training/interval.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "engine/random.h"
#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {

Interval quantiles(std::vector<double> values, double low, double high) {
  std::sort(values.begin(), values.end());
  return {losses::quantile(values, low), losses::quantile(values, high)};
}

Interval bootstrap_interval(std::size_t count, const std::function<double(const std::vector<std::size_t>&)>& statistic,
                            int samples) {
  Random random(0);
  std::vector<double> found;
  std::vector<std::size_t> choice(count);
  for (int i = 0; i < samples && count >= kFewestCases; ++i) {
    for (std::size_t& index : choice) index = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(count)));
    const double value = statistic(choice);
    if (!std::isnan(value)) found.push_back(value);
  }
  return quantiles(std::move(found), 0.025, 0.975);
}

}  // namespace voxgrad::apps

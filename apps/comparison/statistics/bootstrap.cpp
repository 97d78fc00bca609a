#include "apps/comparison/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace voxgrad::apps {

std::vector<std::vector<double>> bootstrap_means(const std::vector<Stratum>& datasets, int resamples) {
  const std::size_t losses = datasets.empty() ? 0 : datasets.front().size();
  std::vector<std::vector<double>> means(losses, std::vector<double>(static_cast<std::size_t>(resamples), 0.0));
  const Random seed(kResamplingSeed);
  for (std::size_t d = 0; d < datasets.size() && losses > 0; ++d) {
    const Stratum& values = datasets[d];
    const std::size_t cases = values.front().size();
    check(values.size() == losses && cases > 0, "bootstrap: dataset ", d, " has ", values.size(), " losses and ", cases,
          " cases");
    Random random = seed.fork(d);
    std::vector<std::size_t> drawn(cases);
    for (std::size_t b = 0; b < static_cast<std::size_t>(resamples); ++b) {
      for (std::size_t& index : drawn) index = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(cases)));
      for (std::size_t k = 0; k < losses; ++k) {
        double total = 0;
        for (const std::size_t index : drawn) total += values[k][index];
        means[k][b] += total / static_cast<double>(cases * datasets.size());
      }
    }
  }
  return means;
}

Interval percentile_interval(std::vector<double> values, double level) {
  return quantiles(std::move(values), (1 - level) / 2, (1 + level) / 2);
}

Interval percentile_interval(const std::vector<double>& a, const std::vector<double>& b, double level) {
  std::vector<double> differences(a.size());
  std::transform(a.begin(), a.end(), b.begin(), differences.begin(), std::minus<>());
  return percentile_interval(std::move(differences), level);
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::larger: return "larger";
    case Verdict::smaller: return "smaller";
    case Verdict::equal: return "equal";
    case Verdict::open: break;
  }
  return "open";
}

Verdict verdict_of(const Interval& interval95, const Interval& interval90, double p, double margin) {
  if (interval90.low > -margin && interval90.high < margin) return Verdict::equal;
  if (p >= 0.05) return Verdict::open;
  if (interval95.low > 0) return Verdict::larger;
  return interval95.high < 0 ? Verdict::smaller : Verdict::open;
}

}  // namespace voxgrad::apps

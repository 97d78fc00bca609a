#include "apps/comparison/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace voxgrad::apps {

namespace {

std::size_t drawn_of(std::size_t count, Random& random) {
  return static_cast<std::size_t>(random.below(static_cast<std::int64_t>(count)));
}

// The mean of as many resampled values as there are, less their mean.
double resampled_deviation(const std::vector<double>& seeds, Random& random) {
  const auto count = static_cast<double>(seeds.size());
  if (seeds.size() < 2) return 0;
  double sum = 0, mean = 0;
  for (const double value : seeds) {
    mean += value / count;
    sum += seeds[drawn_of(seeds.size(), random)];
  }
  return (sum / count - mean) * std::sqrt(count / (count - 1));
}

}  // namespace

std::vector<std::vector<double>> bootstrap_means(const std::vector<Stratum>& datasets,
                                                 const std::vector<Stratum>& seeds, int resamples) {
  const std::size_t losses = datasets.empty() ? 0 : datasets.front().size();
  std::vector<std::vector<double>> means(losses, std::vector<double>(static_cast<std::size_t>(resamples), 0.0));
  const Random seed(kResamplingSeed);
  for (std::size_t d = 0; d < datasets.size() && losses > 0; ++d) {
    const Stratum& values = datasets[d];
    const std::size_t units = values.front().size();
    check(values.size() == losses && units > 0, "bootstrap: dataset ", d, " has ", values.size(), " losses and ", units,
          " units");
    Random random = seed.fork(d), trainings = seed.fork(datasets.size() + d);
    std::vector<std::size_t> drawn(units);
    for (std::size_t b = 0; b < static_cast<std::size_t>(resamples); ++b) {
      for (std::size_t& index : drawn) index = drawn_of(units, random);
      for (std::size_t k = 0; k < losses; ++k) {
        double total = 0;
        for (const std::size_t index : drawn) total += values[k][index];
        const double mean = total / static_cast<double>(units);
        const double deviation = seeds.empty() ? 0 : resampled_deviation(seeds[d][k], trainings);
        means[k][b] += (mean + deviation) / static_cast<double>(datasets.size());
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

Verdict verdict_of(double difference, double p, double p_outside) {
  if (p_outside < kLevel) return Verdict::equal;
  return !(p < kLevel) ? Verdict::open : difference > 0 ? Verdict::larger : Verdict::smaller;
}

}  // namespace voxgrad::apps

// Means over other units and other trainings, by resampling (Efron, 1979), and what may be said about a difference. All
// losses share the resampled units, so a difference is resampled in pairs. Units of several datasets are resampled
// within their dataset, and a mean over datasets is the mean of their means: a large dataset does not outvote a small
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "apps/training/interval.h"
#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {

inline constexpr int kResamples = 10000;
inline constexpr std::uint64_t kResamplingSeed = 20240229;  // fixed: the same results give the same report

// The values of one dataset: values[loss][unit], without NaN. All datasets have the same losses.
using Stratum = std::vector<std::vector<double>>;

// Returns the mean of every loss over resampled units: [loss][resample]. `seeds`, if given, has for every dataset
// [loss][seed] the mean over the units; then the seeds of each loss are resampled, too. Because S of S values vary too
// little, their deviations are multiplied by sqrt(S / (S - 1)).
std::vector<std::vector<double>> bootstrap_means(const std::vector<Stratum>& datasets,
                                                 const std::vector<Stratum>& seeds = {}, int resamples = kResamples);

// Returns the interval between the quantiles (1 - level) / 2 and (1 + level) / 2 of the values (percentile bootstrap),
// which are interpolated linearly. Both ends are NaN if there are no values.
Interval percentile_interval(std::vector<double> values, double level);
Interval percentile_interval(const std::vector<double>& a, const std::vector<double>& b, double level);  // of a - b
using losses::quantile;

// What may be said of a difference of means, from p-values that were adjusted for all tests beside them:
//   equal            Both one-sided tests exclude a difference of `kMargin` or more. The rest may be real or not.
//   larger, smaller  The test of no difference is rejected.
//   open             No difference was found, and none was excluded; or there is too little to test.
enum class Verdict { larger, smaller, equal, open };
const char* name_of(Verdict verdict);
inline constexpr double kMargin = 0.01;  // of Dice
inline constexpr double kLevel = 0.05;
// p: of no difference; p_outside: of a difference of at least kMargin. Both are NaN where nothing may be said.
Verdict verdict_of(double difference, double p, double p_outside);

}  // namespace voxgrad::apps

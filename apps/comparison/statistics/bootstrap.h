// Intervals by resampling cases (Efron, 1979), and what may be said about a difference. All losses share the resampled
// cases, so a difference is resampled in pairs. Cases of several datasets are resampled within their dataset, and a
// mean over datasets is the mean of their means: a large dataset does not outvote a small one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "apps/training/interval.h"
#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {

inline constexpr int kResamples = 10000;
inline constexpr std::uint64_t kResamplingSeed = 20240229;  // fixed: the same results give the same report

// The values of one dataset: values[loss][case], without NaN. All datasets have the same losses.
using Stratum = std::vector<std::vector<double>>;

// Returns the mean of every loss over resampled cases: [loss][resample].
std::vector<std::vector<double>> bootstrap_means(const std::vector<Stratum>& datasets, int resamples = kResamples);

// Returns the interval between the quantiles (1 - level) / 2 and (1 + level) / 2 of the values (percentile bootstrap),
// which are interpolated linearly. Both ends are NaN if there are no values.
Interval percentile_interval(std::vector<double> values, double level);
Interval percentile_interval(const std::vector<double>& a, const std::vector<double>& b, double level);  // of a - b
using losses::quantile;

// What may be said of a difference of means:
//   equal            The 90 % interval lies within +-margin (two one-sided tests at 5 %, Schuirmann, 1987). The rest of
//                    the difference may be real or not.
//   larger, smaller  The p of the paired test, adjusted for all tests beside it, is below 5 %, and the 95 % interval
//                    excludes 0.
//   open             No difference was found, and none was excluded.
enum class Verdict { larger, smaller, equal, open };
const char* name_of(Verdict verdict);
inline constexpr double kMargin = 0.01;  // of Dice
Verdict verdict_of(const Interval& interval95, const Interval& interval90, double p, double margin = kMargin);

}  // namespace voxgrad::apps

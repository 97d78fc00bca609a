#include "losses/metrics/aggregate.h"

#include <algorithm>
#include <cmath>

namespace voxgrad::losses {

Summary summarise(const std::vector<double>& values) {
  Summary result{kUndefined, kUndefined, 0};
  double total = 0, squares = 0;
  for (const double v : values)
    if (!std::isnan(v)) total += v, ++result.count;
  if (result.count == 0) return result;
  result.mean = total / static_cast<double>(result.count);
  for (const double v : values)
    if (!std::isnan(v)) squares += (v - result.mean) * (v - result.mean);
  if (result.count > 1) result.deviation = std::sqrt(squares / static_cast<double>(result.count - 1));
  return result;
}

double Observation::finite() const { return std::isinf(value) ? std::copysign(diagonal, value) : value; }

double quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return kUndefined;
  const double rank = share * static_cast<double>(sorted.size() - 1), below = std::floor(rank);
  const auto k = static_cast<std::size_t>(below);
  const double low = sorted[k], high = sorted[std::min(k + 1, sorted.size() - 1)];
  return rank == below || low == high ? low : low + (high - low) * (rank - below);
}

Aggregate aggregate(const std::vector<Observation>& cases, double perfect) {
  std::vector<double> finite, forgiving, sorted;
  std::int64_t infinite = 0;
  for (const Observation& one : cases) {
    finite.push_back(one.finite());
    forgiving.push_back(one.both_empty ? perfect : one.finite());
    infinite += std::isinf(one.value) ? 1 : 0;
    if (!std::isnan(one.value)) sorted.push_back(one.value);
  }
  std::sort(sorted.begin(), sorted.end());
  const Summary all = summarise(finite);
  return {all.mean,
          all.deviation,
          quantile(sorted, 0.25),
          quantile(sorted, 0.5),
          quantile(sorted, 0.75),
          summarise(forgiving).mean,
          all.count,
          static_cast<std::int64_t>(cases.size()) - all.count,
          infinite};
}

}  // namespace voxgrad::losses

#include "engine/moments.h"

#include <algorithm>
#include <array>

#include "engine/shape.h"

namespace voxgrad {

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  const double total = count + other.count, distance = other.mean - mean;
  squares += other.squares + distance * distance * count * other.count / total;
  mean += distance * other.count / total;
  count = total;
}

std::vector<Moments> channel_moments(const float* values, std::int64_t voxels, std::int64_t channels) {
  constexpr std::int64_t kLanes = 8;  // number of independent sums, so that additions do not wait for each other
  std::vector<Moments> result(static_cast<std::size_t>(channels));
  if (voxels == 0) return result;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double shift = values[c];
    std::array<double, kLanes> sum{}, square{};
    const auto add = [&](std::int64_t voxel, std::size_t lane) {
      const double distance = values[voxel * channels + c] - shift;
      sum[lane] += distance;
      square[lane] += distance * distance;
    };
    std::int64_t v = 0;
    for (; v + kLanes <= voxels; v += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) add(v + static_cast<std::int64_t>(lane), lane);
    for (; v < voxels; ++v) add(v, 0);
    double first = 0, second = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      first += sum[lane];
      second += square[lane];
    }
    const double count = static_cast<double>(voxels), mean = first / count;
    nth(result, c) = {count, shift + mean, std::max(0.0, second - first * mean)};
  }
  return result;
}

}  // namespace voxgrad

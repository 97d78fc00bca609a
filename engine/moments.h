// Mean and variance per channel, in f64, in one pass.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace voxgrad {

struct Moments {
  double count = 0, mean = 0, squares = 0;  // `squares` is the sum of squared distances from the mean
  double deviation() const { return count > 0 ? std::sqrt(squares / count) : 0; }  // that of the population
  // Includes the values of another set (Chan, Golub, LeVeque 1979).
  void merge(const Moments& other);
};

// The moments of `values` [voxels, channels], one entry per channel.
std::vector<Moments> channel_moments(const float* values, std::int64_t voxels, std::int64_t channels);

}  // namespace voxgrad

// A map as normalisation and activation make it, while it is read: act((x - mean) scale + beta). x is seen as
// [M, R, C], mean and rstd are [M, G]; statistics and parameters of maps in bf16 are f32.
#pragma once

#include "engine/backend.h"
#include "engine/cuda/bf16.h"

namespace voxgrad::cuda {

template <class T>
struct Normalised {
  using W = Work<T>;
  const T* x = nullptr;
  const W *mean = nullptr, *rstd = nullptr, *gamma = nullptr, *beta = nullptr;  // gamma and beta may be null
  std::int64_t maps = 1, rows = 0, channels = 0, groups = 1;
  W slope = 1;  // of the activation below zero: 1 for none, 0 for ReLU

  // Of a map with a deferred normalisation.
  explicit Normalised(const FeatureMap& map)
      : x(map.x.data<T>()),
        mean(map.mean.data<W>()),
        rstd(map.rstd.data<W>()),
        gamma(map.gamma.defined() ? map.gamma.data<W>() : nullptr),
        beta(map.beta.defined() ? map.beta.data<W>() : nullptr),
        maps(map.mean.extent(0)),
        rows(map.x.numel() / (maps * map.x.extent(-1))),
        channels(map.x.extent(-1)),
        groups(map.mean.extent(1)),
        slope(static_cast<W>(map.slope_below_zero())) {}

  __host__ __device__ std::int64_t statistic(std::int64_t m, std::int64_t c) const {
    return m * groups + c / (channels / groups);
  }
  __device__ W scale(std::int64_t m, std::int64_t c) const { return rstd[statistic(m, c)] * (gamma ? gamma[c] : W(1)); }
  __device__ W act(W z) const { return z < W(0) ? (slope == W(0) ? W(0) : z * slope) : z; }  // a NaN stays
  __device__ W back(W z, W d) const { return z > W(0) ? d : slope == W(0) ? W(0) : d * slope; }
};

// What belongs to a thread's channels.
template <class T, int kN>
struct Channels {
  Work<T> mean[kN], scale[kN], beta[kN];
  __device__ void load(const Normalised<T>& p, std::int64_t m, std::int64_t column) {
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const std::int64_t c = column + k;
      mean[k] = p.mean[p.statistic(m, c)];
      scale[k] = p.scale(m, c);
      beta[k] = p.beta ? p.beta[c] : Work<T>(0);
    }
  }
  // Rounded as it would be stored.
  __device__ void apply(const Normalised<T>& p, Pack<T, kN>& values) const {
#pragma unroll
    for (int k = 0; k < kN; ++k) values.at[k] = p.act((values.at[k] - mean[k]) * scale[k] + beta[k]);
  }
};

}  // namespace voxgrad::cuda

// A map as normalisation and activation make it, while it is read: act((x - mean) scale + beta). x is seen as
// [M, R, C], mean and rstd are [M, G]; statistics and parameters of maps in bf16 are f32.
#pragma once

#include "engine/cuda/bf16.h"
#include "engine/fused_backend.h"

namespace voxgrad::cuda {

template <class T>
struct Normalised {
  using W = Work<T>;
  const T* x = nullptr;
  const W *mean = nullptr, *rstd = nullptr, *gamma = nullptr, *beta = nullptr;  // gamma and beta may be null
  std::int64_t maps = 1, rows = 0, channels = 0, groups = 1;
  W slope = 1;  // of the activation below zero: 1 for none, 0 for ReLU

  // A reading that is not plain.
  explicit Normalised(const Reading& reading)
      : x(reading.x.data<T>()),
        mean(reading.mean.data<W>()),
        rstd(reading.rstd.data<W>()),
        gamma(reading.gamma.defined() ? reading.gamma.data<W>() : nullptr),
        beta(reading.beta.defined() ? reading.beta.data<W>() : nullptr),
        maps(reading.mean.extent(0)),
        rows(reading.x.numel() / (maps * reading.x.extent(-1))),
        channels(reading.x.extent(-1)),
        groups(reading.mean.extent(1)),
        slope(static_cast<W>(reading.activation.kind == Activation::none   ? 1
                             : reading.activation.kind == Activation::relu ? 0
                                                                           : reading.activation.slope)) {}

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

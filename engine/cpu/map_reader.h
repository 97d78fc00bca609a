// Reads a FeatureMap (engine/options.h) for a kernel. The constants of a channel are laid out once per sample, so that
// a kernel normalises and activates a vector right after it has loaded it. Include this file after engine/cpu/isa.h.
#pragma once

#include "engine/cpu/stream.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

// Returns x unchanged.
struct Plain {
  template <class V>
  V operator()(V x) const {
    return x;
  }
};

// Returns act((x - mean) * scale + beta) for one vector of channels. The slope below zero is 1 (no activation), 0
// (ReLU) or between.
template <class T>
struct Normalised {
  Vec<T> mean, scale, beta;
  T slope;
  Vec<T> operator()(Vec<T> x) const {
    const Vec<T> z = (x - mean) * scale + beta;
    return z < Vec<T>{} ? z * slope : z;
  }
};

template <class T>
class MapReader {
 public:
  const T* x;
  std::int64_t channels, rows;  // rows: voxels of a sample

  MapReader(const T* values, const Shape& shape)
      : x(values), channels(shape[-1]), rows(shape.spatial_numel()), period_(ChannelStream::period_of(channels)) {}
  explicit MapReader(const FeatureMap& map) : MapReader(map.x.template data<T>(), map.shape()) {
    if (!map.deferred()) return;
    slope_ = static_cast<T>(map.slope_below_zero());
    const std::int64_t maps = map.mean.extent(0), groups = map.mean.extent(1), samples = map.x.extent(0);
    const T *mean = map.mean.template data<T>(), *rstd = map.rstd.template data<T>();
    constants_.resize(static_cast<std::size_t>(3 * samples * period_));
    for (std::int64_t n = 0; n < samples; ++n)
      for (std::int64_t j = 0; j < period_ && channels > 0; ++j) {
        const std::int64_t c = j % channels, from = (maps == 1 ? 0 : n) * groups + c / (channels / groups);
        T* const to = constants_.data() + 3 * n * period_ + j;
        const double gamma = map.gamma.defined() ? static_cast<double>(map.gamma.template data<T>()[c]) : 1;
        to[0] = mean[from];
        to[period_] = static_cast<T>(static_cast<double>(rstd[from]) * gamma);
        to[2 * period_] = map.beta.defined() ? map.beta.template data<T>()[c] : T{0};
      }
  }

  bool plain() const { return constants_.empty(); }
  // The function for the vector of channels that begins at `channel`, or at a position of the period. A plain map has
  // none.
  Normalised<T> at(std::int64_t sample, std::int64_t channel) const {
    const T* const from = constants_.data() + 3 * sample * period_ + channel;
    return {load(from), load(from + period_), load(from + 2 * period_), slope_};
  }
  // Returns the rows [begin, end), counted over all samples. They are computed in `scratch` unless they can be read in
  // place.
  const T* read(std::int64_t begin, std::int64_t end, T* scratch) const {
    if (plain()) return x + begin * channels;
    for (std::int64_t row = begin; row < end;) {
      const std::int64_t sample = row / rows, stop = std::min(end, (sample + 1) * rows);
      const T* const from = x + row * channels;
      T* const to = scratch + (row - begin) * channels;
      for_vectors<T>((stop - row) * channels, period_, [&](std::int64_t i, std::int64_t j, auto count) {
        store_first(to + i, at(sample, j)(load_first(from + i, count)), count);
      });
      row = stop;
    }
    return scratch;
  }

 private:
  std::int64_t period_;
  std::vector<T> constants_;  // [sample][mean, scale, beta][period]
  T slope_ = 1;
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA

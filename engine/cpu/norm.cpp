// Normalisation: the statistics, y = activation((x - mean) * rstd * gamma + beta) in one pass, and the gradient in two.
// x is read as M streams of [R, C] (stream.h). Statistics and sums are f64. A piece of a stream is summed around its
// own first row, and the pieces are merged in order (moments.h), so a mean far from zero costs no digits.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/moments.h"
#include "engine/cpu/stream.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

struct MapStreams {
  std::int64_t maps, rows, channels, groups;  // M, R, C, G
  ChannelStream stream;

  MapStreams(const Tensor& x, const Tensor& mean)
      : maps(mean.extent(0)),
        rows(x.numel() / std::max<std::int64_t>(1, mean.extent(0) * x.extent(-1))),
        channels(x.extent(-1)),
        groups(mean.extent(1)),
        stream(rows, channels) {}

  std::int64_t group_of(std::int64_t c) const { return c / (channels / groups); }
  std::int64_t statistic(std::int64_t m, std::int64_t c) const { return m * groups + group_of(c); }

  // Lays out value(m, c) over the period of each map.
  template <class T, class F>
  std::vector<T> lay_out(F&& value) const {
    auto all = zero_vector<T>(maps * stream.period);
    for (std::int64_t m = 0; m < maps; ++m)
      stream.lay_out(all.data() + m * stream.period, [&](std::int64_t c) { return value(m, c); });
    return all;
  }

  // Calls body(m, b) for every block b of every map m.
  template <class F>
  void for_blocks(const F& body) const {
    const std::int64_t grain = std::max<std::int64_t>(1, stream.block / std::max<std::int64_t>(1, stream.numel));
    parallel_for(maps * stream.blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i / stream.blocks, i % stream.blocks);
    });
  }
};

template <class T>
void block_moments(const T* x, std::int64_t length, const ChannelStream& stream, Moments* result) {
  const std::int64_t period = stream.period, channels = stream.channels;
  auto scratch = zero_vector<double>(3 * period + 2 * channels);
  double *sums = scratch.data(), *origin = sums + 2 * period, *folded = origin + period;
  stream.lay_out(origin, [&](std::int64_t c) { return static_cast<double>(x[c]); });
  collect(length, stream.period, sums,
          [&](std::int64_t i, std::int64_t j, auto count, Vec<double>& first, Vec<double>& second) {
            Vec<double> d = load_wide(x + i, count) - load(origin + j);
            for (int k = count; k < kLanes<double>; ++k) d[k] = 0;
            first += d;
            second += d * d;
          });
  stream.fold(sums, folded);
  stream.fold(sums + period, folded + channels);
  const double n = static_cast<double>(length / stream.channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double mean = folded[c] / n;
    result[c] = {n, origin[c] + mean, std::max(0.0, folded[channels + c] - folded[c] * mean)};
  }
}

// The activation of the normalised value, and its gradient from an upstream gradient.
template <Activation kKind, class T>
struct Act {
  T slope;
  Vec<T> value(Vec<T> z) const {
    if constexpr (kKind == Activation::none) return z;
    if constexpr (kKind == Activation::relu) return z < Vec<T>{} ? Vec<T>{} : z;  // a NaN stays
    if constexpr (kKind == Activation::leaky_relu) return z < Vec<T>{} ? z * slope : z;
  }
  Vec<T> back(Vec<T> z, Vec<T> dy) const {
    if constexpr (kKind == Activation::none) return dy;
    if constexpr (kKind == Activation::relu) return z > Vec<T>{} ? dy : Vec<T>{};
    if constexpr (kKind == Activation::leaky_relu) return z > Vec<T>{} ? dy : dy * slope;
  }
};

template <class F>
void for_activation(Activation activation, const F& run) {
  switch (activation) {
    case Activation::none: return run.template operator()<Activation::none>();
    case Activation::relu: return run.template operator()<Activation::relu>();
    case Activation::leaky_relu: return run.template operator()<Activation::leaky_relu>();
  }
}

template <class T>
double value_or(const Tensor& parameter, std::int64_t c, double otherwise) {
  return parameter.defined() ? static_cast<double>(parameter.data<T>()[c]) : otherwise;
}

template <class T>
struct NormProblem {
  MapStreams streams;
  const T *mean, *rstd;
  const Tensor &gamma, &beta;

  explicit NormProblem(const FeatureMap& map)
      : streams(map.x, map.mean),
        mean(map.mean.data<T>()),
        rstd(map.rstd.data<T>()),
        gamma(map.gamma),
        beta(map.beta) {}

  double mean_at(std::int64_t m, std::int64_t c) const { return static_cast<double>(mean[streams.statistic(m, c)]); }
  double rstd_at(std::int64_t m, std::int64_t c) const { return static_cast<double>(rstd[streams.statistic(m, c)]); }
  double scale_at(std::int64_t m, std::int64_t c) const { return rstd_at(m, c) * value_or<T>(gamma, c, 1); }
  template <class U>
  std::vector<U> means() const {
    return streams.template lay_out<U>([&](std::int64_t m, std::int64_t c) { return mean_at(m, c); });
  }
  template <class U>
  std::vector<U> scales() const {
    return streams.template lay_out<U>([&](std::int64_t m, std::int64_t c) { return scale_at(m, c); });
  }
  template <class U>
  std::vector<U> betas() const {
    return streams.template lay_out<U>([&](std::int64_t, std::int64_t c) { return value_or<T>(beta, c, 0); });
  }
};

template <class T, Activation kKind>
void forward(const NormProblem<T>& problem, T slope, const T* x, T* y) {
  const ChannelStream& stream = problem.streams.stream;
  const std::vector<T> mean = problem.template means<T>(), scale = problem.template scales<T>(),
                       beta = problem.template betas<T>();
  const Act<kKind, T> act{slope};
  problem.streams.for_blocks([&](std::int64_t m, std::int64_t b) {
    const std::int64_t at = m * stream.numel + stream.begin(b), p = m * stream.period;
    for_vectors<T>(stream.length(b), stream.period, [&](std::int64_t i, std::int64_t j, auto count) {
      const Vec<T> z = (load_first(x + at + i, count) - load(mean.data() + p + j)) * load(scale.data() + p + j) +
                       load(beta.data() + p + j);
      store_first(y + at + i, act.value(z), count);
    });
  });
}

// Returns the sums [M, 2, C] of dz and of dz (x - mean). dz is the gradient before the activation.
template <class T, Activation kKind>
std::vector<double> gradient_sums(const NormProblem<T>& problem, double slope, const T* x, const T* dy) {
  const MapStreams& streams = problem.streams;
  const ChannelStream& stream = streams.stream;
  const std::vector<double> mean = problem.template means<double>(), scale = problem.template scales<double>(),
                            beta = problem.template betas<double>();
  const Act<kKind, double> act{slope};
  const std::int64_t width = 2 * streams.channels;
  auto partial = zero_vector<double>(streams.maps * stream.blocks * width);
  streams.for_blocks([&](std::int64_t m, std::int64_t b) {
    const std::int64_t at = m * stream.numel + stream.begin(b), p = m * stream.period;
    auto sums = zero_vector<double>(2 * stream.period);
    collect(stream.length(b), stream.period, sums.data(),
            [&](std::int64_t i, std::int64_t j, auto count, Vec<double>& first, Vec<double>& second) {
              const Vec<double> d = load_wide(x + at + i, count) - load(mean.data() + p + j);
              const Vec<double> z = d * load(scale.data() + p + j) + load(beta.data() + p + j);
              const Vec<double> dz = act.back(z, load_wide(dy + at + i, count));
              first += dz;
              second += dz * d;
            });
    double* to = partial.data() + (m * stream.blocks + b) * width;
    stream.fold(sums.data(), to);
    stream.fold(sums.data() + stream.period, to + streams.channels);
  });
  auto total = zero_vector<double>(streams.maps * width);
  for (std::int64_t unit = 0; unit < streams.maps * stream.blocks; ++unit)
    for (std::int64_t c = 0; c < width; ++c)
      nth(total, unit / stream.blocks * width + c) += nth(partial, unit * width + c);
  return total;
}

// dgamma = sum of dz (x - mean) rstd and dbeta = sum of dz. The maps are added in order.
template <class T>
void parameter_gradients(const NormProblem<T>& problem, const std::vector<double>& sums, const Tensor& dgamma,
                         const Tensor& dbeta) {
  const MapStreams& streams = problem.streams;
  for (std::int64_t c = 0; c < streams.channels; ++c) {
    double by_gamma = 0, by_beta = 0;
    for (std::int64_t m = 0; m < streams.maps; ++m) {
      const std::int64_t at = m * 2 * streams.channels + c;
      by_beta += nth(sums, at);
      by_gamma += nth(sums, at + streams.channels) * problem.rstd_at(m, c);
    }
    if (dgamma.defined()) dgamma.data<T>()[c] = static_cast<T>(by_gamma);
    if (dbeta.defined()) dbeta.data<T>()[c] = static_cast<T>(by_beta);
  }
}

// The part of the gradient that flows through the statistics: dx = scale dz - constant - (x - mean) linear, both [M,
// G].
struct StatisticsGradient {
  std::vector<double> constant, linear;

  template <class T>
  StatisticsGradient(const NormProblem<T>& problem, const std::vector<double>& sums) {
    const MapStreams& streams = problem.streams;
    constant = linear = zero_vector<double>(streams.maps * streams.groups);
    if (sums.empty()) return;  // the statistics are constants
    const double count = static_cast<double>(streams.rows * (streams.channels / streams.groups));
    for (std::int64_t m = 0; m < streams.maps; ++m)
      for (std::int64_t c = 0; c < streams.channels; ++c) {
        const std::int64_t to = streams.statistic(m, c), from = m * 2 * streams.channels + c;
        const double scale = problem.scale_at(m, c), rstd = problem.rstd_at(m, c);
        nth(constant, to) += scale * nth(sums, from) / count;
        nth(linear, to) += scale * nth(sums, from + streams.channels) * rstd * rstd / count;
      }
  }
};

template <class T, Activation kKind>
void input_gradient(const NormProblem<T>& problem, T slope, const T* x, const T* dy, const StatisticsGradient& through,
                    T* dx) {
  const MapStreams& streams = problem.streams;
  const ChannelStream& stream = streams.stream;
  const auto spread = [&](const std::vector<double>& values) {
    return streams.template lay_out<T>(
        [&](std::int64_t m, std::int64_t c) { return nth(values, streams.statistic(m, c)); });
  };
  const std::vector<T> mean = problem.template means<T>(), scale = problem.template scales<T>(),
                       beta = problem.template betas<T>(), constant = spread(through.constant),
                       linear = spread(through.linear);
  const Act<kKind, T> act{slope};
  streams.for_blocks([&](std::int64_t m, std::int64_t b) {
    const std::int64_t at = m * stream.numel + stream.begin(b), p = m * stream.period;
    for_vectors<T>(stream.length(b), stream.period, [&](std::int64_t i, std::int64_t j, auto count) {
      const Vec<T> d = load_first(x + at + i, count) - load(mean.data() + p + j), s = load(scale.data() + p + j);
      const Vec<T> dz = act.back(d * s + load(beta.data() + p + j), load_first(dy + at + i, count));
      store_first(dx + at + i, s * dz - load(constant.data() + p + j) - d * load(linear.data() + p + j), count);
    });
  });
}

}  // namespace

void CpuBackend::norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd) {
  const MapStreams streams(x, mean);
  const ChannelStream& stream = streams.stream;
  dispatch_float(x.dtype(), "norm", [&]<class T>(T) {
    const T* from = x.data<T>();
    auto partial = zero_vector<Moments>(streams.maps * stream.blocks * streams.channels);
    streams.for_blocks([&](std::int64_t m, std::int64_t b) {
      block_moments(from + m * stream.numel + stream.begin(b), stream.length(b), stream,
                    partial.data() + (m * stream.blocks + b) * streams.channels);
    });
    const std::int64_t size = streams.channels / streams.groups;
    const std::int64_t grain = std::max<std::int64_t>(1, 1024 / std::max<std::int64_t>(1, stream.blocks * size));
    parallel_for(streams.maps * streams.groups, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) {
        Moments all;
        const std::int64_t m = k / streams.groups, first = k % streams.groups * size;
        for (std::int64_t b = 0; b < stream.blocks; ++b)
          for (std::int64_t c = first; c < first + size; ++c)
            all.merge(nth(partial, (m * stream.blocks + b) * streams.channels + c));
        mean.data<T>()[k] = static_cast<T>(all.mean);
        rstd.data<T>()[k] = static_cast<T>(all.rstd(eps));
      }
    });
  });
}

void CpuBackend::norm(const FeatureMap& x, const Tensor& y) {
  dispatch_float(y.dtype(), "norm", [&]<class T>(T) {
    const NormProblem<T> problem(x);
    for_activation(x.activation, [&]<Activation kKind>() {
      forward<T, kKind>(problem, static_cast<T>(x.slope), x.x.data<T>(), y.data<T>());
    });
  });
}

void CpuBackend::norm_gradient(const FeatureMap& x, const Tensor& dy, bool constant_statistics, const Tensor& dx,
                               const Tensor& dgamma, const Tensor& dbeta) {
  dispatch_float(dy.dtype(), "norm", [&]<class T>(T) {
    const NormProblem<T> problem(x);
    const T *values = x.x.data<T>(), *upstream = dy.data<T>();
    for_activation(x.activation, [&]<Activation kKind>() {
      std::vector<double> sums;
      const bool feeds_back = dx.defined() && !constant_statistics;
      if (feeds_back || dgamma.defined() || dbeta.defined())
        sums = gradient_sums<T, kKind>(problem, x.slope, values, upstream);
      if (dgamma.defined() || dbeta.defined()) parameter_gradients(problem, sums, dgamma, dbeta);
      if (!dx.defined()) return;
      const StatisticsGradient through(problem, feeds_back ? sums : std::vector<double>{});
      input_gradient<T, kKind>(problem, static_cast<T>(x.slope), values, upstream, through, dx.data<T>());
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

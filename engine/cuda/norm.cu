// Normalisation: the statistics, y = activation((x - mean) * rstd * gamma + beta) in one pass, and the gradient in two
// passes. x is read as [M, R, C]: M samples (1 for batch norm), R voxels, C channels (engine/primitives.h). A thread
// keeps the parameters of its channels in registers and goes through the rows (columns.h). The sums are f64 and are
// those of the differences to the first row, so that a mean far from zero costs no digits.
#include <numeric>

#include "engine/cuda/columns.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/normalised.h"
#include "engine/cuda/volume.h"

namespace voxgrad::cuda {
namespace {

// Count, and sums of the differences to a value near the mean and of their squares.
struct Moments {
  std::int64_t n;
  double near, sum, squares;
  // Sums around another value follow without a division.
  __device__ static Moments merged(const Moments& a, const Moments& b) {
    if (a.n == 0) return b;
    if (b.n == 0) return a;
    const double shift = b.near - a.near, n = static_cast<double>(b.n);
    return {a.n + b.n, a.near, a.sum + (b.sum + n * shift), a.squares + (b.squares + shift * (2 * b.sum + n * shift))};
  }
};

template <class T, int kN>
struct Statistics {
  using State = Moments;
  static constexpr int kWidth = kN;
  const T* x;
  std::int64_t r, c;
  double near[kN];

  __device__ static State start() { return {0, 0, 0, 0}; }
  __device__ static State merge(const State& a, const State& b) { return Moments::merged(a, b); }
  __device__ void begin(std::int64_t m, std::int64_t column) {
#pragma unroll
    for (int k = 0; k < kN; ++k) near[k] = static_cast<double>(x[m * r * c + column + k]);
  }
  __device__ void take(State (&states)[kN], std::int64_t m, std::int64_t row, std::int64_t column) const {
    const auto values = *reinterpret_cast<const Pack<T, kN>*>(x + (m * r + row) * c + column);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const double d = static_cast<double>(values.at[k]) - near[k];
      states[k] = {states[k].n + 1, near[k], states[k].sum + d, states[k].squares + d * d};
    }
  }
};

template <class T>
struct StoreStatistics {
  T *mean, *rstd;
  double eps;
  __device__ void operator()(std::int64_t i, const Moments& all) const {
    const double n = static_cast<double>(all.n < 1 ? 1 : all.n), average = all.sum / n;
    const double variance = (all.squares - all.sum * average) / n;
    mean[i] = static_cast<T>(all.near + average);
    rstd[i] = static_cast<T>(1 / std::sqrt((variance < 0 ? 0 : variance) + eps));
  }
};

// Where a thread of a pass over [M, R, C] stands: rows first, first + step, .. < last.
struct Lane {
  std::int64_t m, column, first, last;
  __device__ explicit Lane(const Columns& cut) {
    const Division unit = divide(block_index(), cut.strips), piece = divide(unit.quotient, cut.pieces);
    m = piece.quotient;
    column = (unit.rest * cut.lanes + thread_index() % cut.lanes) * cut.width;
    first = piece.rest * cut.piece_rows + thread_index() / cut.lanes;
    last = (piece.rest + 1) * cut.piece_rows;
    const bool idle = column >= cut.b || thread_index() >= cut.lanes * cut.rows;
    last = idle ? 0 : last < cut.r ? last : cut.r;
  }
};

constexpr int kDepth = 4;  // rows that a thread has on their way at once

// Rows of y are `width` elements apart. Three blocks of a multiprocessor keep the memory busy: 80 registers.
template <class T, int kN>
__global__ void __launch_bounds__(Columns::kThreads, 3)
    norm_kernel(Normalised<T> p, Columns cut, T* y, std::int64_t width) {
  const Lane lane(cut);
  if (lane.first >= lane.last) return;
  Channels<T, kN> own;
  own.load(p, lane.m, lane.column);
  for (std::int64_t i = lane.first; i < lane.last; i += kDepth * cut.rows) {
    const std::int64_t at = (lane.m * cut.r + i) * cut.b + lane.column, step = cut.rows * cut.b;
    T* const to = y + (lane.m * cut.r + i) * width + lane.column;
    Pack<T, kN> values[kDepth];
#pragma unroll
    for (int d = 0; d < kDepth; ++d)
      if (i + d * cut.rows < lane.last) values[d] = *reinterpret_cast<const Pack<T, kN>*>(p.x + at + d * step);
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      if (i + d * cut.rows >= lane.last) break;
      own.apply(p, values[d]);
      *reinterpret_cast<Pack<T, kN>*>(to + d * (cut.rows * width)) = values[d];
    }
  }
}

// Sums of dz and of dz (x - mean), dz the gradient before the activation.
struct GradientSums {
  double dz, by_x;
};

template <class T, int kN>
struct GradientPass {
  using State = GradientSums;
  static constexpr int kWidth = kN;
  Normalised<T> p;
  const T* dy_map;
  Channels<T, kN> own;

  __device__ static State start() { return {0, 0}; }
  __device__ static State merge(const State& a, const State& b) { return {a.dz + b.dz, a.by_x + b.by_x}; }
  __device__ void begin(std::int64_t m, std::int64_t column) { own.load(p, m, column); }
  __device__ void take(State (&states)[kN], std::int64_t m, std::int64_t row, std::int64_t column) const {
    const std::int64_t at = (m * p.rows + row) * p.channels + column;
    const auto x = *reinterpret_cast<const Pack<T, kN>*>(p.x + at),
               dy = *reinterpret_cast<const Pack<T, kN>*>(dy_map + at);
#pragma unroll
    for (int k = 0; k < kN; ++k) {
      const Work<T> d = x.at[k] - own.mean[k];
      const double dz = static_cast<double>(p.back(d * own.scale[k] + own.beta[k], dy.at[k]));
      states[k].dz += dz;
      states[k].by_x += dz * static_cast<double>(d);
    }
  }
};

struct StoreSums {
  GradientSums* to;
  __device__ void operator()(std::int64_t i, const GradientSums& sums) const { to[i] = sums; }
};

// What the statistics send back: dx = scale dz - constant - (x - mean) linear, [M, G].
template <class T>
struct Feedback {
  T constant, linear;
};

// From the sums [M, C]: dgamma = sum of dz (x - mean) rstd and dbeta = sum of dz over the maps, and the feedback.
template <class T>
__global__ void parameter_kernel(Normalised<T> p, const GradientSums* sums, Work<T>* dgamma, Work<T>* dbeta,
                                 Feedback<Work<T>>* feedback) {
  for (std::int64_t c = first_index(); c < p.channels; c += index_step()) {
    double by_gamma = 0, by_beta = 0;
    for (std::int64_t m = 0; m < p.maps; ++m) {
      const GradientSums s = sums[m * p.channels + c];
      by_gamma += s.by_x * static_cast<double>(p.rstd[p.statistic(m, c)]);
      by_beta += s.dz;
    }
    if (dgamma) dgamma[c] = static_cast<Work<T>>(by_gamma);
    if (dbeta) dbeta[c] = static_cast<Work<T>>(by_beta);
  }
  if (!feedback) return;
  const std::int64_t size = p.channels / p.groups;
  const double count = static_cast<double>(p.rows * size);
  for (std::int64_t i = first_index(); i < p.maps * p.groups; i += index_step()) {
    const std::int64_t m = i / p.groups, first = i % p.groups * size;
    const double rstd = static_cast<double>(p.rstd[i]);
    double constant = 0, linear = 0;
    for (std::int64_t c = first; c < first + size; ++c) {
      const GradientSums s = sums[m * p.channels + c];
      const double scale = static_cast<double>(p.scale(m, c));
      constant += scale * s.dz / count;
      linear += scale * s.by_x * rstd * rstd / count;
    }
    feedback[i] = {static_cast<Work<T>>(constant), static_cast<Work<T>>(linear)};
  }
}

// feedback null: constant statistics. dx may be dy.
template <class T, int kN>
__global__ void input_gradient_kernel(Normalised<T> p, const T* dy_map, Columns cut, const Feedback<Work<T>>* feedback,
                                      T* dx) {
  const Lane lane(cut);
  if (lane.first >= lane.last) return;
  Channels<T, kN> own;
  own.load(p, lane.m, lane.column);
  Feedback<Work<T>> back[kN];
#pragma unroll
  for (int k = 0; k < kN; ++k)
    back[k] = feedback ? feedback[p.statistic(lane.m, lane.column + k)] : Feedback<Work<T>>{0, 0};
  for (std::int64_t i = lane.first; i < lane.last; i += kDepth * cut.rows) {
    const std::int64_t at = (lane.m * cut.r + i) * cut.b + lane.column, step = cut.rows * cut.b;
    Pack<T, kN> x[kDepth], dy[kDepth];
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      if (i + d * cut.rows >= lane.last) break;
      x[d] = *reinterpret_cast<const Pack<T, kN>*>(p.x + at + d * step);
      dy[d] = *reinterpret_cast<const Pack<T, kN>*>(dy_map + at + d * step);
    }
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      if (i + d * cut.rows >= lane.last) break;
#pragma unroll
      for (int k = 0; k < kN; ++k) {
        const Work<T> off = x[d].at[k] - own.mean[k], dz = p.back(off * own.scale[k] + own.beta[k], dy[d].at[k]);
        dy[d].at[k] = own.scale[k] * dz - back[k].constant - off * back[k].linear;
      }
      *reinterpret_cast<Pack<T, kN>*>(dx + at + d * step) = dy[d];
    }
  }
}

// Writes the map, whose normalisation is deferred, into the channels of `whole` from `first` on; the other extents are
// its own.
void normalise_into(const FeatureMap& x, const Tensor& whole, std::int64_t first) {
  if (x.x.numel() == 0) return;
  const std::int64_t width = whole.extent(-1);
  dispatch_stored(whole.dtype(), "norm", [&]<class T>(T) {
    const Normalised<T> map(x);
    for_width<T>(
        std::gcd(std::gcd(map.channels, width), first), {&x.x, &whole}, [&]<int kN>(std::integral_constant<int, kN>) {
          const Columns cut(map.maps, map.rows, map.channels, kN);
          launch(norm_kernel<T, kN>, Grid(cut.blocks(), cut.threads()), map, cut, whole.data<T>() + first, width);
        });
  });
}

}  // namespace

void CudaBackend::norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd) {
  const std::int64_t maps = mean.extent(0), channels = x.extent(-1),
                     rows = x.numel() / std::max<std::int64_t>(1, maps * channels);
  if (maps * channels == 0) return;
  dispatch_stored(x.dtype(), "norm", [&]<class T>(T) {
    for_width<T>(channels, {&x}, [&]<int kN>(std::integral_constant<int, kN>) {
      reduce_columns(Statistics<T, kN>{x.data<T>(), rows, channels, {}}, maps, rows, channels,
                     channels / mean.extent(1),
                     StoreStatistics<Work<T>>{mean.data<Work<T>>(), rstd.data<Work<T>>(), eps});
    });
  });
}

void CudaBackend::norm(const FeatureMap& x, const Tensor& y) { normalise_into(x, y, 0); }

std::vector<FeatureMap> CudaBackend::prepare(std::vector<FeatureMap> inputs) {
  if (inputs.size() == 1) return Backend::prepare(std::move(inputs));
  std::int64_t channels = 0;
  for (const FeatureMap& input : inputs) channels += input.shape()[-1];
  const Tensor& like = inputs.front().x;
  const Tensor whole = empty(like.shape().with(-1, channels), like.dtype(), like.device());
  const Shape origin = Shape::filled(like.dims(), 0);
  std::int64_t first = 0;
  for (const FeatureMap& input : inputs) {
    if (input.deferred())
      normalise_into(input, whole, first);
    else
      copy_box(input.x, origin, whole, origin.with(-1, first), input.shape(), false);
    first += input.shape()[-1];
  }
  return {whole};
}

void CudaBackend::norm_gradient(const FeatureMap& x, const Tensor& dy, bool constant_statistics, const Tensor& dx,
                                const Tensor& dgamma, const Tensor& dbeta) {
  if (dy.numel() == 0) {
    for (const Tensor* none : {&dgamma, &dbeta})
      if (none->defined()) fill(*none, 0);
    return;
  }
  const bool feeds_back = dx.defined() && !constant_statistics;
  dispatch_stored(dy.dtype(), "norm", [&]<class T>(T) {
    const Normalised<T> map(x);
    const std::int64_t results = map.maps * map.channels;
    const Scratch<GradientSums> sums(results);
    const Scratch<Feedback<Work<T>>> feedback(map.maps * map.groups);
    for_width<T>(map.channels, {&x.x, &dy, dx.defined() ? &dx : &x.x}, [&]<int kN>(std::integral_constant<int, kN>) {
      if (feeds_back || dgamma.defined() || dbeta.defined()) {
        reduce_columns(GradientPass<T, kN>{map, dy.data<T>(), {}}, map.maps, map.rows, map.channels, 1,
                       StoreSums{sums.data()});
        launch(parameter_kernel<T>, grid_for(std::max(map.channels, map.maps * map.groups)), map, sums.data(),
               dgamma.defined() ? dgamma.data<Work<T>>() : nullptr, dbeta.defined() ? dbeta.data<Work<T>>() : nullptr,
               feeds_back ? feedback.data() : nullptr);
      }
      if (!dx.defined()) return;
      const Columns cut(map.maps, map.rows, map.channels, kN);
      launch(input_gradient_kernel<T, kN>, Grid(cut.blocks(), cut.threads()), map, dy.data<T>(), cut,
             feeds_back ? feedback.data() : nullptr, dx.data<T>());
    });
  });
}

}  // namespace voxgrad::cuda

// The integrals of the losses (engine/integrands.h): blocks of voxels, the softmax of a block, then one loop per row
// and channel over the block.
#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/simd_math.h"
#include "engine/cpu/stream.h"
#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

using integrands::Scope;

constexpr std::int64_t kChunk = 8192;  // voxels of one unit of parallel work

// Calls f with the integrand of `kind`, a type of integrands.h.
template <class T, class F>
inline void visit(Integrand kind, F&& f) {
  switch (kind) {
#define VOXGRAD_CASE(name, ...) \
  case Integrand::name: return f(integrands::name<T>{});
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
}

// Calls f(i, p, q, l, t) for the voxels of a block, with what `Row` reads at class c and 0 for what it does not.
template <class Row, class T, class F>
inline void for_voxels(const VoxelBlock<T>& b, int c, F&& f) {
  constexpr bool kTruth = Row::scope == Scope::truth, kComplement = Row::scope == Scope::complement;
  const T* p = kTruth ? b.true_p : b.at(kComplement ? b.q : b.p, c);
  const T* q = kTruth ? b.true_q : b.at(kComplement ? b.p : b.q, c);
  const T* l = kTruth ? b.true_l : b.at(kComplement ? b.k : b.l, c);
  const T mine = static_cast<T>(c);
  for (int i = 0; i < b.padded; ++i)
    f(i, Row::reads('p') ? p[i] : T(0), Row::reads('q') ? q[i] : T(0), Row::reads('l') ? l[i] : T(0),
      kTruth ? T(1) : T((b.label[i] == mine) != kComplement));
}

// Sum of b.values over the voxels whose label is c, or over all of them if c < 0: a few vectors in T, then f64.
template <class T>
inline double sum(const VoxelBlock<T>& b, int c = -1) {
  constexpr int kHalves = kLanes<T> / kLanes<double>;
  Vec<double> halves[kHalves] = {};
  for (int i = 0; i < b.padded; i += VoxelBlock<T>::kStep) {
    Vec<T> part{};
    for (int j = i; j < i + VoxelBlock<T>::kStep; j += kLanes<T>) {
      const Vec<T> value = load(b.values + j);
      part += c < 0 ? value : load(b.label + j) == splat(static_cast<T>(c)) ? value : Vec<T>{};
    }
    T lanes[kLanes<T>];
    store(lanes, part);
    for (int half = 0; half < kHalves; ++half) halves[half] += load_wide(lanes + half * kLanes<double>);
  }
  double total = 0;
  for (const Vec<double>& half : halves)
    for (int lane = 0; lane < kLanes<double>; ++lane) total += half[lane];
  return total;
}

// h to the gradient with respect to the logits, in place; see integrands.h.
template <class T>
void to_logits(const VoxelBlock<T>& b, bool complement, T temperature) {
  for (int i = 0; i < b.padded; i += kLanes<T>) {
    const Vec<T> top = load(b.top + i);
    Vec<T> others{}, largest{}, top_p{};
    for (int c = 0; c < b.classes; ++c) {
      const auto here = top == splat(static_cast<T>(c));
      const Vec<T> h = load(b.at(b.h, c) + i);
      others += here ? Vec<T>{} : h;
      largest = here ? h : largest;
      top_p = here ? load(b.at(b.p, c) + i) : top_p;
    }
    const Vec<T> all = others + largest, top_q = load(b.top_q + i);
    const Vec<T> top_h = complement ? top_p * load(b.top_h + i) : Vec<T>{};
    for (int c = b.first; c < b.classes; ++c) {
      const auto here = top == splat(static_cast<T>(c));
      Vec<T> dz = here ? top_q * largest - top_p * others : load(b.at(b.h, c) + i) - load(b.at(b.p, c) + i) * all;
      if (complement) dz += here ? -top_h : top_h * load(b.at(b.r, c) + i);
      store(b.at(b.h, c) + i, dz * temperature);
    }
  }
}

// A call of integrate or of integrate_gradient.
template <class T>
class Integration {
 public:
  Integration(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
              const IntegrateOptions& options)
      : rows_(rows),
        options_(options),
        samples_(logits.extent(0)),
        voxels_(logits.shape().spatial_numel()),
        channels_(logits.extent(-1)),
        chunks_(block_count(voxels_, kChunk)),
        logits_(logits.data<T>()),
        labels_(labels.data<std::uint8_t>()) {
    for (const Integral& row : rows)
      visit<T>(row.kind, [&]<class Row>(Row) {
        softmax_ |= !Row::constant;
        needs_.truth |= Row::scope == Scope::truth && !Row::constant;
        needs_.complement |= Row::scope == Scope::complement;
        needs_.q |= Row::scope == Scope::channel && Row::reads('q');
        needs_.l |= Row::scope == Scope::channel && Row::reads('l');
      });
  }

  void sums(const Tensor& result) const {
    const std::int64_t width = std::ssize(rows_) * channels_;
    const Scratch<double> parts(samples_ * chunks_ * width);
    std::fill_n(parts.data(), samples_ * chunks_ * width, 0.0);
    for_blocks([&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
      if (softmax_) b.softmax(needs_);
      double* to = parts.data() + chunk * width;
      for (const Integral& row : rows_) {
        visit<T>(row.kind, [&]<class Row>(Row) { add<Row>(b, row, voxel, to); });
        to += channels_;
      }
    });
    std::fill_n(result.data<double>(), result.numel(), 0.0);
    for (std::int64_t chunk = 0; chunk < samples_ * chunks_; ++chunk)
      for (std::int64_t k = 0; k < std::ssize(rows_); ++k)
        for (std::int64_t c = 0; c < channels_; ++c)
          result.data<double>()[(k * samples_ + chunk / chunks_) * channels_ + c] +=
              parts.data()[chunk * width + k * channels_ + c];
  }

  void gradient(const Tensor& dsums, const Tensor& dlogits) const {
    if (!softmax_) return static_cast<void>(std::fill_n(dlogits.data<T>(), dlogits.numel(), T(0)));
    for_blocks([&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
      b.softmax(needs_);
      std::fill_n(b.h, b.classes * b.capacity, T(0));
      std::fill_n(b.top_h, b.padded, T(0));
      const double* upstream = dsums.data<double>() + chunk / chunks_ * channels_;
      for (const Integral& row : rows_) {
        visit<T>(row.kind, [&]<class Row>(Row) {
          if constexpr (!Row::constant) add_slopes<Row>(b, row, voxel, upstream);
        });
        upstream += samples_ * channels_;
      }
      to_logits(b, needs_.complement, static_cast<T>(options_.temperature));
      join(b.at(b.h, b.first), b.capacity, b.channels, b.count, dlogits.data<T>() + voxel * channels_);
    });
  }

 private:
  // f(block, chunk, index of its first voxel), chunks in parallel, the blocks of a chunk in order.
  template <class F>
  void for_blocks(F&& f) const {
    parallel_for(samples_ * chunks_, 1, [&](std::int64_t first, std::int64_t last) {
      VoxelBlock<T> b(channels_);
      for (std::int64_t chunk = first; chunk < last; ++chunk) {
        const std::int64_t begin = chunk % chunks_ * kChunk, end = std::min(voxels_, begin + kChunk);
        for (std::int64_t v = begin; v < end; v += b.capacity) {
          const std::int64_t voxel = chunk / chunks_ * voxels_ + v;
          b.fill(logits_ + voxel * channels_, labels_ + voxel,
                 static_cast<int>(std::min<std::int64_t>(b.capacity, end - v)), options_.ignore,
                 static_cast<T>(options_.temperature));
          f(b, chunk, voxel);
        }
      }
    });
  }

  static double class_weight(const Integral& row, int c) {
    return row.weights.defined() ? row.weights.data<double>()[c] : 1.0;
  }

  // The field of a row in this block, 0 where a voxel is ignored: per voxel at its true class (`truth`), or per class.
  // Returns the array of class 0 and the distance to that of the next class.
  std::pair<const T*, std::int64_t> field(const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
                                          bool truth) const {
    if (!row.field.defined()) return {b.valid, 0};
    const int n = static_cast<int>(row.field.extent(-1));
    split(row.field.data<T>() + voxel * n, n, b.count, b.at(b.field, n == 1 ? 0 : b.first), b.capacity);
    for (int c = 0; c < (n == 1 ? 1 : b.classes); ++c) {
      T* values = b.at(b.field, c);
      for (int i = 0; i < b.count; ++i) values[i] = b.valid[i] > T(0) ? values[i] : T(0);
      std::fill(values + b.count, values + b.padded, T(0));
    }
    if (n == 1) return {b.field, 0};
    if (!truth) return {b.field, b.capacity};
    std::fill_n(b.true_w, b.padded, T(0));
    for (int c = 0; c < b.classes; ++c)
      for (int i = 0; i < b.padded; ++i)
        b.true_w[i] = b.label[i] == static_cast<T>(c) ? b.at(b.field, c)[i] : b.true_w[i];
    return {b.true_w, 0};
  }

  template <class Row>
  void add(const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel, double* to) const {
    constexpr bool kTruth = Row::scope == Scope::truth;
    const T a = static_cast<T>(row.a);
    const auto [w, stride] = field(b, row, voxel, kTruth);
    for (int c = kTruth ? 0 : b.first; c < b.classes; ++c) {
      if (!kTruth || c == 0)
        for_voxels<Row>(b, c, [&, w = w + c * stride, values = b.values](int i, T p, T q, T l, T t) {
          values[i] = Row::value(p, q, l, t, w[i], a);
        });
      to[std::max(0, c - b.first)] += class_weight(row, c) * sum(b, kTruth ? c : -1);
    }
  }

  template <class Row>
  void add_slopes(const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel, const double* upstream) const {
    constexpr bool kTruth = Row::scope == Scope::truth;
    const T a = static_cast<T>(row.a);
    const auto [w, stride] = field(b, row, voxel, kTruth);
    for (int c = kTruth ? 0 : b.first; c < b.classes; ++c) {
      if (!kTruth || c == 0)
        for_voxels<Row>(b, c, [&, w = w + c * stride, values = b.values](int i, T p, T q, T l, T t) {
          values[i] = Row::slope(p, q, l, t, w[i], a);
        });
      const T mine = static_cast<T>(c);
      const T scale = static_cast<T>(upstream[std::max(0, c - b.first)] * class_weight(row, c));
      T *h = b.at(b.h, c), *top_h = b.top_h;
      const T *values = b.values, *label = b.label, *top = b.top, *p = b.at(b.p, c), *q = b.at(b.q, c);
      if constexpr (Row::scope == Scope::channel)
        for (int i = 0; i < b.padded; ++i) h[i] += scale * values[i];
      else if constexpr (Row::scope == Scope::truth)
        for (int i = 0; i < b.padded; ++i) h[i] += label[i] == mine ? scale * values[i] : T(0);
      else
        for (int i = 0; i < b.padded; ++i) {
          h[i] -= top[i] == mine ? T(0) : scale * values[i] * p[i] / q[i];
          top_h[i] += top[i] == mine ? scale * values[i] : T(0);
        }
    }
  }

  const std::vector<Integral>& rows_;
  const IntegrateOptions& options_;
  std::int64_t samples_, voxels_, channels_, chunks_;  // chunks of one sample
  const T* logits_;
  const std::uint8_t* labels_;
  bool softmax_ = false;
  SoftmaxNeeds needs_;
};

}  // namespace

void CpuBackend::integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                           const IntegrateOptions& options, const Tensor& sums) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { Integration<T>(logits, labels, rows, options).sums(sums); });
}

void CpuBackend::integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                    const IntegrateOptions& options, const Tensor& dsums, const Tensor& dlogits) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { Integration<T>(logits, labels, rows, options).gradient(dsums, dlogits); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

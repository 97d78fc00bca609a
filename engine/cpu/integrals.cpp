// The integrals of the losses (engine/integrands.h), forward: for each block of voxels the softmax, and then one loop
// per row and channel.
#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

#include "engine/cpu/simd_math.h"

#include "engine/cpu/integration.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr int kPartial = kLanes<double>;  // sums of one integral that lie side by side until the end

// to[Count][kPartial] += weight * the sums of terms(i), which are Count vectors, over the block. Some sums are added in
// T, these are added as a tree, and the result is added in f64.
template <class T, std::size_t Count, class F>
[[gnu::always_inline]] inline void add_block(int padded, double weight, double* to, F&& terms) {
  constexpr int kChains = Count == 1 ? 4 : 2;
  static_assert(VoxelBlock<T>::kStep % (kChains * kLanes<T>) == 0);
  std::array<Vec<T>, Count> sums[kChains];
  unrolled<kChains>([&](auto chain) VOXGRAD_INLINE { sums[chain] = terms(chain * kLanes<T>); });
  for (int i = kChains * kLanes<T>; i < padded; i += kChains * kLanes<T>)
    unrolled<kChains>([&](auto chain) VOXGRAD_INLINE {
      const std::array<Vec<T>, Count> term = terms(i + chain * kLanes<T>);
      unrolled<Count>([&](auto k) VOXGRAD_INLINE { sums[chain][k] += term[k]; });
    });
  unrolled<Count>([&](auto k) VOXGRAD_INLINE {
    Vec<T> sum = sums[0][k] + sums[1][k];
    if constexpr (kChains == 4) sum += sums[2][k] + sums[3][k];
    T lanes[kLanes<T>];
    store(lanes, sum);
    for (int lane = 0; lane < kPartial; ++lane) {
      double wide = lanes[lane];
      for (int other = lane + kPartial; other < kLanes<T>; other += kPartial) wide += lanes[other];
      to[k * kPartial + lane] += weight * wide;
    }
  });
}

// Adds one row of a block to the sums of its channels.
template <class Row, class T>
void add_row(const Integration<T>& run, const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel, double* to) {
  constexpr bool kTruth = Row::scope == Scope::truth;
  const auto [w, stride] = run.field(b, row, voxel, kTruth);
  if constexpr (kTruth) {
    const RowAt<Row, T> at(b, 0, w, row.a);
    for (int i = 0; i < b.padded; i += kLanes<T>) store(b.values + i, at.value(i));
  }
  for (int c = kTruth ? 0 : b.first; c < b.classes; ++c) {
    double* const sums = to + std::max(0, c - b.first) * kPartial;
    const double weight = run.class_weight(row, c);
    if constexpr (kTruth) {
      const Vec<T> mine = splat(static_cast<T>(c));
      add_block<T, 1>(b.padded, weight, sums, [&](int i) VOXGRAD_INLINE {
        return std::array{load(b.label + i) == mine ? load(b.values + i) : Vec<T>{}};
      });
    } else {
      const RowAt<Row, T> at(b, c, w + c * stride, row.a);
      add_block<T, 1>(b.padded, weight, sums, [&](int i) VOXGRAD_INLINE { return std::array{at.value(i)}; });
    }
  }
}

// Adds the sums that all polynomial rows of class c need (PowerSums).
template <int kDegree, class T>
void add_powers(const VoxelBlock<T>& b, int c, double* to) {
  const Vec<T> mine = splat(static_cast<T>(c)), zero{};
  const T *const p = b.at(b.p, c), *const label = b.label, *const valid = b.valid;
  add_block<T, 2 * kDegree + 1>(b.padded, 1, to, [=](int i) VOXGRAD_INLINE {
    std::array<Vec<T>, 2 * kDegree + 1> terms;
    const auto here = load(label + i) == mine;
    Vec<T> power = load(valid + i);
    terms[0] = here ? power : zero;
    for (std::size_t k = 1; k <= kDegree; ++k) {
      power *= load(p + i);
      terms[2 * k - 1] = here ? power : zero;
      terms[2 * k] = here ? zero : power;
    }
    return terms;
  });
}

// Adds the sums of p of class c, times a weight of its label, for two tables of these weights.
template <class T>
void add_by_label(const VoxelBlock<T>& b, int c, const T* tables, double* to) {
  const std::array<Vec<T>, 2> weights{load(tables), load(tables + kLanes<T>)};
  const T *const p = b.at(b.p, c), *const label = b.label, *const valid = b.valid;
  add_block<T, 2>(b.padded, 1, to, [=](int i) VOXGRAD_INLINE {
    const Vec<T> y = load(label + i), known = load(valid + i) * load(p + i);
    return std::array{take<T>(weights[0], y) * known, take<T>(weights[1], y) * known};
  });
}

template <class T>
void add_up(const Integration<T>& run, const Tensor& result, T* kept) {
  const std::int64_t channels = run.channels, classes = std::max<std::int64_t>(channels, 2), chunks = run.chunks;
  const std::int64_t count = std::ssize(run.rows), powers = count * channels;  // where they begin
  const std::int64_t width = powers + classes * PowerSums::kCount + 1 + std::ssize(run.tables) / kLanes<T>;
  const Scratch<double> parts(run.samples * chunks * width * kPartial);
  std::fill_n(parts.data(), run.samples * chunks * width * kPartial, 0.0);
  run.for_blocks(kept, run.reads_softmax, [&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
    if (run.reads_softmax) b.softmax(run.values_need);
    double* to = parts.data() + chunk * width * kPartial;
    for (std::int64_t k = 0; k < count; ++k, to += channels * kPartial) {
      const Integral& row = nth(run.rows, k);
      if (!nth(run.values, k).fits) visit<T>(row.kind, [&]<class Row>(Row) { add_row<Row>(run, b, row, voxel, to); });
    }
    for (int c = 0; c < b.classes; ++c, to += PowerSums::kCount * kPartial)
      (run.values_degree == 0   ? add_powers<0, T>
       : run.values_degree == 1 ? add_powers<1, T>
                                : add_powers<2, T>)(b, c, to);
    add_block<T, 1>(b.padded, 1, to, [&](int i) VOXGRAD_INLINE { return std::array{load(b.valid + i)}; });
    to += kPartial;
    // Without rows that read the probabilities all tables are zeros, and b.p is not set.
    for (std::size_t pair = 0; run.reads_softmax && pair < run.tables.size(); to += 2 * kPartial, pair += 2 * kLanes<T>)
      add_by_label(b, static_cast<int>(pair / (2 * kLanes<T>)) % b.classes, run.tables.data() + pair, to);
  });
  auto sums = zero_vector<double>(width);
  for (std::int64_t n = 0; n < run.samples; ++n) {
    for (std::int64_t i = 0; i < width; ++i) {
      double sum = 0;
      for (std::int64_t chunk = n * chunks; chunk < (n + 1) * chunks; ++chunk) {
        const double* const part = parts.data() + (chunk * width + i) * kPartial;
        sum = std::accumulate(part, part + kPartial, sum);
      }
      nth(sums, i) = sum;
    }
    for (std::int64_t k = 0; k < count; ++k) {
      double* const to = result.data<double>() + (k * run.samples + n) * channels;
      if (nth(run.values, k).fits)
        run.polynomial_sums(k, sums.data() + powers, to);
      else
        std::copy_n(sums.data() + k * channels, channels, to);
    }
  }
}

// Writes the only row as a map [voxels, C], or [voxels, 1] in scope truth.
template <class Row, class T>
void map_block(const Integration<T>& run, VoxelBlock<T>& b, std::int64_t voxel, T* y) {
  constexpr bool kTruth = Row::scope == Scope::truth;
  const Integral& row = run.rows.front();
  const auto [w, stride] = run.field(b, row, voxel, kTruth);
  for (int c = kTruth ? 0 : b.first; c < (kTruth ? 1 : b.classes); ++c) {
    const RowAt<Row, T> at(b, c, w + c * stride, row.a);
    T* const to = b.at(b.h, c);
    for (int i = 0; i < b.padded; i += kLanes<T>) store(to + i, at.value(i));
    for (int i = 0; i < b.count; ++i) {
      const int known = kTruth ? std::max(static_cast<int>(b.label[i]), 0) : c;
      to[i] = b.valid[i] > T(0) ? to[i] * static_cast<T>(run.class_weight(row, known)) : T(0);
    }
  }
  if (kTruth)
    std::copy_n(b.h, b.count, y + voxel);
  else
    join(b.at(b.h, b.first), b.capacity, b.channels, b.count, y + voxel * run.channels);
}

}  // namespace

Tensor CpuBackend::integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                             const IntegrateOptions& options, bool keep, const Tensor& sums) {
  Tensor kept;
  dispatch_float(logits.dtype(), "integrate", [&]<class T>(T) {
    const Integration<T> run(logits, labels, rows, options);
    if (keep && run.keeps()) kept = empty({run.kept_numel()}, logits.dtype(), logits.device());
    add_up(run, sums, kept.defined() ? kept.data<T>() : nullptr);
  });
  return kept;
}

void CpuBackend::integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                           const IntegrateOptions& options, const Tensor& y) {
  const std::vector<Integral> rows{row};
  dispatch_float(logits.dtype(), "integrand", [&]<class T>(T) {
    const Integration<T> run(logits, labels, rows, options);
    run.for_blocks(nullptr, run.reads_softmax, [&](VoxelBlock<T>& b, std::int64_t, std::int64_t voxel) {
      if (run.reads_softmax) b.softmax(run.values_need);
      visit<T>(row.kind, [&]<class Row>(Row) { map_block<Row>(run, b, voxel, y.data<T>()); });
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// The integrals of the losses (engine/integrands.h), backward: for each block the slopes of all rows, and then the rule
// of the softmax.
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

// Turns h into the gradient with respect to the logits, in place (see integrands.h). n is the number of classes.
template <bool kComplement, class T, class N>
void to_logits(const VoxelBlock<T>& b, N n) {
  for (int i = 0; i < b.padded; i += kLanes<T>) {
    // Probabilities that were kept lie block after block, so this fetches those of the next block.
    for (int c = 0; c < n; ++c) __builtin_prefetch(b.at(b.p, c + b.classes) + i);
    Vec<T> all{}, others{}, complement{};
    for (int c = 0; c < n; ++c) all += load(b.at(b.h, c) + i);
    if constexpr (kComplement) {
      for (int c = 0; c < n; ++c) {
        const Vec<T> p = load(b.at(b.p, c) + i);
        complement += p > T(0.5) ? p * load(b.top_h + i) : Vec<T>{};
      }
    }
    for (int c = 0; c < n; ++c) {
      const Vec<T> p = load(b.at(b.p, c) + i);
      Vec<T> dz = load(b.at(b.h, c) + i) - p * all;
      if constexpr (kComplement) dz += complement * load(b.at(b.r, c) + i);
      others += p > T(0.5) ? Vec<T>{} : dz;
      store(b.at(b.h, c) + i, dz);
    }
    for (int c = b.first; c < n; ++c)
      store(b.at(b.h, c) + i, load(b.at(b.p, c) + i) > T(0.5) ? -others : load(b.at(b.h, c) + i));
  }
}

template <class Row, class T>
void add_slopes(const Integration<T>& run, const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
                const double* upstream) {
  constexpr bool kTruth = Row::scope == Scope::truth;
  const auto [w, stride] = run.field(b, row, voxel, kTruth);
  if constexpr (kTruth) {
    const RowAt<Row, T> at(b, 0, w, row.a);
    for (int i = 0; i < b.padded; i += kLanes<T>) store(b.values + i, at.slope(i));
  }
  for (int c = kTruth ? 0 : b.first; c < b.classes; ++c) {
    const Vec<T> mine = splat(static_cast<T>(c));
    const Vec<T> scale =
        splat(static_cast<T>(upstream[std::max(0, c - b.first)] * run.class_weight(row, c) * run.options.temperature));
    const RowAt<Row, T> at(b, c, w + c * stride, row.a);
    T *const h = b.at(b.h, c), *const top_h = b.top_h;
    const T *const p = b.at(b.p, c), *const q = b.at(b.q, c);
    for (int i = 0; i < b.padded; i += kLanes<T>) {
      if constexpr (kTruth) {
        store(h + i, load(h + i) + (load(b.label + i) == mine ? scale * load(b.values + i) : Vec<T>{}));
      } else if constexpr (Row::scope == Scope::channel) {
        store(h + i, load(h + i) + scale * at.slope(i));
      } else {
        const auto here = load(b.at(b.p, c) + i) > T(0.5);
        const Vec<T> slope = scale * at.slope(i);
        store(h + i, load(h + i) - (here ? Vec<T>{} : slope * load(p + i) / load(q + i)));
        store(top_h + i, load(top_h + i) + (here ? slope : Vec<T>{}));
      }
    }
  }
}

// What the polynomial rows add to h: [samples][classes][label][3], see Polynomial.
template <class T>
std::vector<double> polynomials(const Integration<T>& run, const double* dsums) {
  const std::int64_t classes = std::max<std::int64_t>(run.channels, 2), first = classes - run.channels;
  auto result = zero_vector<double>(run.samples * classes * classes * 3);
  for (std::int64_t k = 0; k < std::ssize(run.rows); ++k) {
    const Integral& row = nth(run.rows, k);
    const Polynomial& h = nth(run.slopes, k);
    for (std::int64_t i = 0; h.fits && i < run.samples * classes; ++i) {
      const std::int64_t n = i / classes, c = i % classes;
      if (c < first && !run.at_truth(row)) continue;
      const double upstream = dsums[(k * run.samples + n) * run.channels + std::max<std::int64_t>(0, c - first)];
      for (std::int64_t label = 0; label < classes; ++label) {
        const double scale = upstream * run.weight_of(row, label, c) * run.options.temperature;
        for (std::int64_t power = 0; power < 3; ++power)
          nth(result, (i * classes + label) * 3 + power) += scale * nth(h.at[label == c], power);
      }
    }
  }
  return result;
}

template <class T>
void gradient(const Integration<T>& run, const Tensor& dsums, T* kept, const Tensor& dlogits) {
  if (!run.reads_softmax) return static_cast<void>(std::fill_n(dlogits.data<T>(), dlogits.numel(), T(0)));
  const std::vector<double> coefficients = polynomials(run, dsums.data<double>());
  const bool linear = run.slopes_degree < 2, by_label = run.slopes_by_label && run.channels <= kLanes<T>;
  const auto fill = by_label ? (linear ? fill_slopes<1, true, T> : fill_slopes<2, true, T>)
                             : (linear ? fill_slopes<1, false, T> : fill_slopes<2, false, T>);
  run.for_blocks(kept, kept == nullptr, [&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
    const std::int64_t sample = chunk / run.chunks;
    if (kept == nullptr)
      b.softmax(run.slopes_need);
    else if (run.slopes_need.q)
      b.complete_q();
    fill(b, coefficients.data() + sample * b.classes * b.classes * 3);
    if (run.slopes_need.complement) std::fill_n(b.top_h, b.padded, T(0));
    for (std::int64_t k = 0; k < std::ssize(run.rows); ++k)
      visit<T>(nth(run.rows, k).kind, [&]<class Row>(Row) {
        const std::int64_t at = (k * run.samples + sample) * run.channels;
        if constexpr (!Row::constant)
          if (!nth(run.slopes, k).fits) add_slopes<Row>(run, b, nth(run.rows, k), voxel, dsums.data<double>() + at);
      });
    with_channels<T>(b.classes, [&](auto n) {
      if (run.slopes_need.complement)
        to_logits<true>(b, n);
      else
        to_logits<false>(b, n);
    });
    join(b.at(b.h, b.first), b.capacity, b.channels, b.count, dlogits.data<T>() + voxel * run.channels);
  });
}

}  // namespace

void CpuBackend::integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                    const IntegrateOptions& options, const Tensor& kept, const Tensor& dsums,
                                    const Tensor& dlogits) {
  dispatch_float(logits.dtype(), "integrate", [&]<class T>(T) {
    gradient(Integration<T>(logits, labels, rows, options), dsums, kept.defined() ? kept.data<T>() : nullptr, dlogits);
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

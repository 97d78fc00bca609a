// The integrals of the losses (engine/integrands.h), forward: blocks of voxels, the softmax of a block, then one loop
// per row and channel over the block.
#include <algorithm>
#include <functional>
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
  for (int half = 1; half < kHalves; ++half) halves[0] += halves[half];
  double lanes[kLanes<double>];
  store(lanes, halves[0]);
  for (int step = kLanes<double> / 2; step > 0; step /= 2)
    for (int lane = 0; lane < step; ++lane) lanes[lane] += lanes[lane + step];
  return lanes[0];
}

// What a pass does with the values of a row; not a template, so that every row is compiled once.
using Sink = std::function<void(int c)>;

// Computes a row class by class into b.values and calls sink(c); c is -1 in scope truth, where the values are those of
// each voxel's true class.
template <class Row, class T>
void evaluate(const Integration<T>& run, const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
              const Sink& sink) {
  constexpr bool kTruth = Row::scope == Scope::truth;
  const T a = static_cast<T>(row.a);
  const auto [w, stride] = run.field(b, row, voxel, kTruth);
  for (int c = kTruth ? 0 : b.first; c < (kTruth ? 1 : b.classes); ++c) {
    for_voxels<Row>(b, c, [&, w = w + c * stride, values = b.values](int i, T p, T q, T l, T t) {
      values[i] = Row::value(p, q, l, t, w[i], a);
    });
    sink(kTruth ? -1 : c);
  }
}

template <class T>
void evaluate_row(const Integration<T>& run, const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
                  const Sink& sink) {
  visit<T>(row.kind, [&]<class Row>(Row) { evaluate<Row>(run, b, row, voxel, sink); });
}

template <class T>
void add_up(const Integration<T>& run, const Tensor& result) {
  const std::int64_t channels = run.channels, chunks = run.chunks, width = std::ssize(run.rows) * channels;
  const Scratch<double> parts(run.samples * chunks * width);
  std::fill_n(parts.data(), run.samples * chunks * width, 0.0);
  run.for_blocks([&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
    if (run.reads_softmax) b.softmax(run.needs);
    double* to = parts.data() + chunk * width;
    for (const Integral& row : run.rows) {
      evaluate_row<T>(run, b, row, voxel, [&](int known) {
        for (int c = known < 0 ? 0 : known; c < (known < 0 ? b.classes : known + 1); ++c)
          to[std::max(0, c - b.first)] += run.class_weight(row, c) * sum(b, known < 0 ? c : -1);
      });
      to += channels;
    }
  });
  std::fill_n(result.data<double>(), result.numel(), 0.0);
  for (std::int64_t chunk = 0; chunk < run.samples * chunks; ++chunk)
    for (std::int64_t k = 0; k < std::ssize(run.rows); ++k)
      for (std::int64_t c = 0; c < channels; ++c)
        result.data<double>()[(k * run.samples + chunk / chunks) * channels + c] +=
            parts.data()[chunk * width + k * channels + c];
}

// The only row as a map [voxels, C], or [voxels, 1] in scope truth.
template <class T>
void map(const Integration<T>& run, T* y) {
  const Integral& row = run.rows.front();
  run.for_blocks([&](VoxelBlock<T>& b, std::int64_t, std::int64_t voxel) {
    if (run.reads_softmax) b.softmax(run.needs);
    bool truth = false;
    evaluate_row<T>(run, b, row, voxel, [&](int known) {
      truth = known < 0;
      T* to = b.at(b.h, std::max(known, 0));
      for (int i = 0; i < b.count; ++i) {
        const int c = truth ? std::max(static_cast<int>(b.label[i]), 0) : known;
        to[i] = b.valid[i] > T(0) ? b.values[i] * static_cast<T>(run.class_weight(row, c)) : T(0);
      }
    });
    if (truth)
      std::copy_n(b.h, b.count, y + voxel);
    else
      join(b.at(b.h, b.first), b.capacity, b.channels, b.count, y + voxel * run.channels);
  });
}

}  // namespace

void CpuBackend::integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                           const IntegrateOptions& options, const Tensor& sums) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { add_up(Integration<T>(logits, labels, rows, options), sums); });
}

void CpuBackend::integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                           const IntegrateOptions& options, const Tensor& y) {
  const std::vector<Integral> rows{row};
  dispatch_float(logits.dtype(), "integrand",
                 [&]<class T>(T) { map(Integration<T>(logits, labels, rows, options), y.data<T>()); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// What the passes over the integrals of a loss share (integrals.cpp forward, integrals_gradient.cpp backward): blocks
// of voxels in parallel chunks, the rows of the table as types, fields and class weights. Include after
// engine/cpu/isa.h and simd_math.h.
#pragma once

#include "engine/cpu/stream.h"
#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

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
  VOXGRAD_INDEPENDENT
  for (int i = 0; i < b.padded; ++i)
    f(i, Row::reads('p') ? p[i] : T(0), Row::reads('q') ? q[i] : T(0), Row::reads('l') ? l[i] : T(0),
      kTruth ? T(1) : T((b.label[i] == mine) != kComplement));
}

// One pass over a class map and its labels.
template <class T>
struct Integration {
  const std::vector<Integral>& rows;
  const IntegrateOptions& options;
  std::int64_t samples, voxels, channels, chunks;  // chunks of one sample
  const T* logits;
  const std::uint8_t* labels;
  bool reads_softmax = false;
  SoftmaxNeeds needs;

  Integration(const Tensor& logit_map, const Tensor& label_map, const std::vector<Integral>& all_rows,
              const IntegrateOptions& integrate_options)
      : rows(all_rows),
        options(integrate_options),
        samples(logit_map.extent(0)),
        voxels(logit_map.shape().spatial_numel()),
        channels(logit_map.extent(-1)),
        chunks(block_count(voxels, kChunk)),
        logits(logit_map.data<T>()),
        labels(label_map.data<std::uint8_t>()) {
    for (const Integral& row : rows)
      visit<T>(row.kind, [&]<class Row>(Row) {
        reads_softmax |= !Row::constant;
        needs.truth |= Row::scope == Scope::truth && !Row::constant;
        needs.complement |= Row::scope == Scope::complement;
        needs.q |= Row::scope == Scope::channel && Row::reads('q');
        needs.l |= Row::scope == Scope::channel && Row::reads('l');
      });
  }

  // f(block, chunk, index of its first voxel), chunks in parallel, the blocks of a chunk in order.
  template <class F>
  void for_blocks(F&& f) const {
    parallel_for(samples * chunks, 1, [&](std::int64_t first, std::int64_t last) {
      VoxelBlock<T> b(channels);
      for (std::int64_t chunk = first; chunk < last; ++chunk) {
        const std::int64_t begin = chunk % chunks * kChunk, end = std::min(voxels, begin + kChunk);
        for (std::int64_t v = begin; v < end; v += b.capacity) {
          const std::int64_t voxel = chunk / chunks * voxels + v;
          b.fill(logits + voxel * channels, labels + voxel,
                 static_cast<int>(std::min<std::int64_t>(b.capacity, end - v)), options.ignore,
                 static_cast<T>(options.temperature));
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
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA

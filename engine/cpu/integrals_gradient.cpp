// The integrals of the losses (engine/integrands.h), backward: the slopes of all rows of a block, then the softmax
// rule.
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

// h to the gradient with respect to the logits, in place; see integrands.h. n: the number of classes.
template <class T, class N>
void to_logits(const VoxelBlock<T>& b, N n, bool complement, T temperature) {
  for (int i = 0; i < b.padded; i += kLanes<T>) {
    const Vec<T> top = load(b.top + i);
    Vec<T> others{}, largest{}, top_p{};
    for (int c = 0; c < n; ++c) {
      const auto here = top == splat(static_cast<T>(c));
      const Vec<T> h = load(b.at(b.h, c) + i);
      others += here ? Vec<T>{} : h;
      largest = here ? h : largest;
      top_p = here ? load(b.at(b.p, c) + i) : top_p;
    }
    const Vec<T> all = others + largest, top_q = load(b.top_q + i);
    const Vec<T> top_h = complement ? top_p * load(b.top_h + i) : Vec<T>{};
    for (int c = b.first; c < n; ++c) {
      const auto here = top == splat(static_cast<T>(c));
      Vec<T> dz = here ? top_q * largest - top_p * others : load(b.at(b.h, c) + i) - load(b.at(b.p, c) + i) * all;
      if (complement) dz += here ? -top_h : top_h * load(b.at(b.r, c) + i);
      store(b.at(b.h, c) + i, dz * temperature);
    }
  }
}

template <class Row, class T>
void add_slopes(const Integration<T>& run, const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
                const double* upstream) {
  constexpr bool kTruth = Row::scope == Scope::truth;
  const T a = static_cast<T>(row.a);
  const auto [w, stride] = run.field(b, row, voxel, kTruth);
  for (int c = kTruth ? 0 : b.first; c < b.classes; ++c) {
    const T mine = static_cast<T>(c);
    const T scale = static_cast<T>(upstream[std::max(0, c - b.first)] * run.class_weight(row, c));
    T *h = b.at(b.h, c), *top_h = b.top_h;
    const T *values = b.values, *label = b.label, *top = b.top, *p = b.at(b.p, c), *q = b.at(b.q, c);
    if constexpr (Row::scope == Scope::channel) {
      for_voxels<Row>(b, c, [&, w = w + c * stride](int i, T pi, T qi, T l, T t) {
        h[i] += scale * Row::slope(pi, qi, l, t, w[i], a);
      });
      continue;
    }
    if (!kTruth || c == 0)
      for_voxels<Row>(b, c, [&, w = w + c * stride, to = b.values](int i, T pi, T qi, T l, T t) {
        to[i] = Row::slope(pi, qi, l, t, w[i], a);
      });
    if constexpr (kTruth) {
      VOXGRAD_INDEPENDENT
      for (int i = 0; i < b.padded; ++i) h[i] += label[i] == mine ? scale * values[i] : T(0);
    } else {
      VOXGRAD_INDEPENDENT
      for (int i = 0; i < b.padded; ++i) {
        h[i] -= top[i] == mine ? T(0) : scale * values[i] * p[i] / q[i];
        top_h[i] += top[i] == mine ? scale * values[i] : T(0);
      }
    }
  }
}

template <class T>
void gradient(const Integration<T>& run, const Tensor& dsums, const Tensor& dlogits) {
  if (!run.reads_softmax) return static_cast<void>(std::fill_n(dlogits.data<T>(), dlogits.numel(), T(0)));
  run.for_blocks([&](VoxelBlock<T>& b, std::int64_t chunk, std::int64_t voxel) {
    b.softmax(run.needs);
    std::fill_n(b.h, b.classes * b.capacity, T(0));
    std::fill_n(b.top_h, b.padded, T(0));
    const double* upstream = dsums.data<double>() + chunk / run.chunks * run.channels;
    for (const Integral& row : run.rows) {
      visit<T>(row.kind, [&]<class Row>(Row) {
        if constexpr (!Row::constant) add_slopes<Row>(run, b, row, voxel, upstream);
      });
      upstream += run.samples * run.channels;
    }
    with_channels(b.classes,
                  [&](auto n) { to_logits(b, n, run.needs.complement, static_cast<T>(run.options.temperature)); });
    join(b.at(b.h, b.first), b.capacity, b.channels, b.count, dlogits.data<T>() + voxel * run.channels);
  });
}

}  // namespace

void CpuBackend::integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                    const IntegrateOptions& options, const Tensor& dsums, const Tensor& dlogits) {
  dispatch_float(logits.dtype(), "integrate",
                 [&]<class T>(T) { gradient(Integration<T>(logits, labels, rows, options), dsums, dlogits); });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

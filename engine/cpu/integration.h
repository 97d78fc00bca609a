// What the two passes over the integrals of a loss share (integrals.cpp forward, integrals_gradient.cpp backward):
// blocks of voxels in parallel chunks, the rows of the table on vectors, fields and class weights. Include this file
// after engine/cpu/isa.h and simd_math.h.
#pragma once

#include "engine/cpu/polynomial.h"
#include "engine/cpu/stream.h"
#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

// The rows of engine/integrands.h once more, on vectors. First the functions that their formulas call:
namespace integrands {

using voxgrad::integrands::Scope;

template <class V>
inline V sq(V x) {
  return x * x;
}

// x^a for x >= 0 with 0^0 = 1. In f32 it ends at 1e30, so that sums over voxels stay finite. NaN stays NaN.
template <class T>
inline Vec<T> power(Vec<T> x, T a) {
  constexpr T kMost = sizeof(T) == 4 ? T(69) : T(690);  // of the exponent
  if (a == T(2)) return x * x;
  if (a == T(1)) return x;
  if (a == T(0)) return splat(T(1));
  if (a == T(0.5)) return sqrt_of(x);
  const auto positive = x > std::numeric_limits<T>::min();
  const Vec<T> exponent = a * log_of(positive ? x : splat(T(1)));
  return positive ? exp_of(exponent < kMost ? exponent : splat(kMost)) : x - x;
}
template <class T>
inline Vec<T> focal_slope(Vec<T> p, Vec<T> q, Vec<T> l, T a) {
  const auto positive = q > T(0);
  return positive ? a * p * power(q, a) / (positive ? q : splat(T(1))) * l : q - q;
}
template <class T>
inline Vec<T> power_slope(Vec<T> x, T a) {
  const auto positive = x > voxgrad::integrands::kLeast<T>;
  return positive ? a * power(x, a) / (positive ? x : splat(T(1))) : x - x;
}

template <class T>
inline Vec<T> vector_of(Vec<T> x) {
  return x;
}
template <class T>
inline Vec<T> vector_of(T x) {
  return splat(x);
}

#define VOXGRAD_ROW(name, reach, letters, formula, slope_letters, slope_formula)                                \
  template <class T>                                                                                            \
  struct name : voxgrad::integrands::name<T> {                                                                  \
    using V = Vec<T>;                                                                                           \
    using Scalar = voxgrad::integrands::name<double>;                                                           \
    static V value([[maybe_unused]] V p, [[maybe_unused]] V q, [[maybe_unused]] V l, [[maybe_unused]] V t, V w, \
                   [[maybe_unused]] T a) {                                                                      \
      return vector_of<T>(formula);                                                                             \
    }                                                                                                           \
    static V slope([[maybe_unused]] V p, [[maybe_unused]] V q, [[maybe_unused]] V l, [[maybe_unused]] V t,      \
                   [[maybe_unused]] V w, [[maybe_unused]] T a) {                                                \
      return vector_of<T>(slope_formula);                                                                       \
    }                                                                                                           \
  };
VOXGRAD_INTEGRAND_TABLE(VOXGRAD_ROW)
#undef VOXGRAD_ROW

}  // namespace integrands

using integrands::Scope;

constexpr std::int64_t kChunk = 8192;  // voxels of one unit of parallel work

// Calls f with the integrand of `kind`, a type from above.
template <class T, class F>
inline void visit(Integrand kind, F&& f) {
  switch (kind) {
#define VOXGRAD_CASE(name, ...) \
  case Integrand::name: return f(integrands::name<T>{});
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
}

// A row at class c of a block, for the vector of voxels that begins at i. In scope truth it is the row at the true
// classes.
template <class Row, class T>
struct RowAt {
  static constexpr bool kTruth = Row::scope == Scope::truth, kComplement = Row::scope == Scope::complement;
  const T *p, *q, *l, *w, *label;
  T mine, a;

  RowAt(const VoxelBlock<T>& b, int c, const T* weight, double parameter)
      : p(kTruth ? b.true_p : b.at(kComplement ? b.q : b.p, c)),
        q(kTruth ? b.true_q : b.at(kComplement ? b.p : b.q, c)),
        l(kTruth ? b.true_l : b.at(kComplement ? b.k : b.l, c)),
        w(weight),
        label(b.label),
        mine(static_cast<T>(c)),
        a(static_cast<T>(parameter)) {}

  [[gnu::always_inline]] Vec<T> t(int i) const {
    const Vec<T> one = splat(T(1)), zero{};
    if constexpr (kTruth) return one;
    const auto here = load(label + i) == splat(mine);
    return kComplement ? (here ? zero : one) : (here ? one : zero);
  }
  // Loads of what the formula does not use are dropped by the compiler.
  [[gnu::always_inline]] Vec<T> value(int i) const {
    return Row::value(load(p + i), load(q + i), load(l + i), t(i), load(w + i), a);
  }
  [[gnu::always_inline]] Vec<T> slope(int i) const {
    return Row::slope(load(p + i), load(q + i), load(l + i), t(i), load(w + i), a);
  }
};

// One pass over a class map and its labels.
template <class T>
struct Integration {
  const std::vector<Integral>& rows;
  const IntegrateOptions& options;
  std::int64_t samples, voxels, channels, chunks;  // chunks of one sample
  const T* logits;
  const std::uint8_t* labels;
  bool reads_softmax = false;
  std::vector<Polynomial> values, slopes;  // of the rows; those that do not fit are computed one by one
  // The largest degree of those whose weights do not differ by label, in the forward pass; of all in the backward pass.
  int values_degree = 0, slopes_degree = 0;
  bool slopes_by_label = false;  // whether weights differ by label
  // Forward, what p is multiplied by in linear rows whose weights differ by label: [two rows][class][row][label], with
  // a row of zeros if their number is odd.
  std::vector<T> tables;
  std::vector<std::int64_t> tabled;  // the numbers of these rows
  SoftmaxNeeds values_need, slopes_need;

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
        using Scalar = typename Row::Scalar;
        reads_softmax |= !Row::constant;
        values.push_back(polynomial<Row>(row, Row::value_reads, Scalar::value));
        slopes.push_back(polynomial<Row>(row, Row::slope_reads, Scalar::slope));
        if (weighs_labels(row) && values.back().degree() > 1) values.back() = {};
        if (!weighs_labels(row))
          values_degree = std::max(values_degree, values.back().degree());
        else if (values.back().fits)
          tabulate(std::ssize(values) - 1);
        slopes_degree = std::max(slopes_degree, slopes.back().degree());
        slopes_by_label |= weighs_labels(row);
        if (!values.back().fits) add_needs<Row>(values_need, Row::value_reads);
        if (!slopes.back().fits) add_needs<Row>(slopes_need, Row::slope_reads);
      });
  }

  // Returns whether the backward pass needs nothing but the probabilities.
  bool keeps() const { return reads_softmax && !slopes_need.l && !slopes_need.truth() && !slopes_need.complement; }
  // The size of the tensor in which the forward pass stores them, block by block, [classes][capacity] each.
  std::int64_t kept_numel() const {
    const std::int64_t classes = std::max<std::int64_t>(channels, 2);
    const std::int64_t capacity = VoxelBlock<T>::capacity_of(static_cast<int>(classes));
    return samples * chunks * blocks_of_chunk(capacity) * capacity * classes;
  }
  std::int64_t blocks_of_chunk(std::int64_t capacity) const { return block_count(std::min(kChunk, voxels), capacity); }

  // Calls f(block, chunk, index of its first voxel). Chunks run in parallel, and the blocks of a chunk in order. If
  // `kept` is given, the probabilities of the block lie there. `logits_too` says that the logits are needed.
  template <class F>
  void for_blocks(T* kept, bool logits_too, F&& f) const {
    parallel_for(samples * chunks, 1, [&](std::int64_t first, std::int64_t last) {
      VoxelBlock<T> b(channels);
      const std::int64_t size = std::int64_t{b.capacity} * b.classes, blocks = blocks_of_chunk(b.capacity);
      for (std::int64_t chunk = first; chunk < last; ++chunk) {
        const std::int64_t begin = chunk % chunks * kChunk, end = std::min(voxels, begin + kChunk);
        if (kept != nullptr) b.p = kept + chunk * blocks * size;
        for (std::int64_t v = begin; v < end; v += b.capacity) {
          const std::int64_t voxel = chunk / chunks * voxels + v;
          b.fill_labels(labels + voxel, static_cast<int>(std::min<std::int64_t>(b.capacity, end - v)), options.ignore);
          if (logits_too) b.fill_logits(logits + voxel * channels, options.ignore, static_cast<T>(options.temperature));
          b.next = logits + (voxel + b.capacity) * channels;
          f(b, chunk, voxel);
          if (kept != nullptr) b.p += size;
        }
      }
    });
  }

  static bool at_truth(const Integral& row) {
    bool result = false;
    visit<T>(row.kind, [&]<class Row>(Row) { result = Row::scope == Scope::truth; });
    return result;
  }
  // Computes row k, a polynomial, from the sums of the classes. Behind them are the number of voxels and the sums with
  // the tables. `to` is [channels].
  void polynomial_sums(std::int64_t k, const double* sums, double* to) const {
    const std::int64_t classes = std::max<std::int64_t>(channels, 2), first = classes - channels;
    const double* const all = sums + classes * PowerSums::kCount;
    const Integral& row = nth(rows, k);
    const Polynomial& f = nth(values, k);
    const bool truth = at_truth(row);
    std::fill_n(to, channels, 0.0);
    for (std::int64_t c = truth ? 0 : first; c < classes; ++c) {
      const double* s = sums + c * PowerSums::kCount;
      double& sum = to[std::max<std::int64_t>(0, c - first)];
      if (weighs_labels(row)) {
        sum += all[1 + table_of(std::find(tabled.begin(), tabled.end(), k) - tabled.begin(), c)];
        for (std::int64_t y = 0; y < classes; ++y)
          sum += weight_of(row, y, c) * f.at[y == c][0] * sums[y * PowerSums::kCount];
      } else {
        sum += class_weight(row, static_cast<int>(c)) * PowerSums{s[0], s[1], s[2], s[3], s[4]}(f, *all);
      }
    }
  }

  // Weights by label and class are multiplied into the field of a row, unless it is a polynomial (linear, if it is a
  // value and no slope).
  static bool weighs_labels(const Integral& row) { return row.weights.defined() && row.weights.dims() == 2; }
  static double class_weight(const Integral& row, int c) {
    return row.weights.defined() && !weighs_labels(row) ? row.weights.data<double>()[c] : 1.0;
  }
  static double weight_of(const Integral& row, std::int64_t label, std::int64_t c) {
    if (!row.weights.defined()) return 1;
    return row.weights.data<double>()[weighs_labels(row) ? label * row.weights.extent(1) + c : c];
  }

  // Returns the polynomial of a row, if the row depends on p and t alone. `formula` is its value or its slope.
  template <class Row, class Formula>
  static Polynomial polynomial(const Integral& row, bool (*reads)(char), Formula&& formula) {
    constexpr bool kTruth = Row::scope == Scope::truth;
    if (row.field.defined() || Row::scope == Scope::complement) return {};
    if (weighs_labels(row) && row.weights.extent(0) > kLanes<T>) return {};
    if (reads('q') || reads('l')) return {};
    if (kTruth && reads('p')) return {};
    Polynomial result = fit([&](double p, double t) { return formula(p, 0, 0, t, 1, row.a); });
    if (kTruth) result.at[0] = {};
    return result;
  }
  template <class Row>
  static void add_needs(SoftmaxNeeds& needs, bool (*reads)(char)) {
    const bool p = reads('p'), q = reads('q'), l = reads('l');
    switch (Row::scope) {
      case Scope::channel: needs.q |= q, needs.l |= l; break;
      case Scope::truth: needs.true_p |= p, needs.true_q |= q, needs.true_l |= l; break;
      case Scope::complement: needs.complement = true; break;
    }
  }

  // The field of a row in this block, which is 0 where a voxel is ignored. It holds one value per voxel, that of the
  // true class (`truth`), or one per class. Returns the array of class 0 and the distance to that of the next class.
  std::pair<const T*, std::int64_t> field(const VoxelBlock<T>& b, const Integral& row, std::int64_t voxel,
                                          bool truth) const {
    const int n = row.field.defined() ? static_cast<int>(row.field.extent(-1)) : 0;
    if (n > 0) {
      split(row.field.data<T>() + voxel * n, n, b.count, b.at(b.field, n == 1 ? 0 : b.first), b.capacity);
      for (int c = 0; c < (n == 1 ? 1 : b.classes); ++c) {
        T* array = b.at(b.field, c);
        for (int i = 0; i < b.count; ++i) array[i] = b.valid[i] > T(0) ? array[i] : T(0);
        std::fill(array + b.count, array + b.padded, T(0));
      }
    }
    if (weighs_labels(row))
      for (int c = b.classes - 1; c >= 0; --c)
        multiply_by_label(b, row.weights.data<double>() + c, n == 0 ? b.valid : b.at(b.field, n == 1 ? 0 : c),
                          b.at(b.field, c));
    else if (n <= 1)
      return {n == 0 ? b.valid : b.field, 0};
    if (!truth) return {b.field, b.capacity};
    std::fill_n(b.true_w, b.padded, T(0));
    for (int c = 0; c < b.classes; ++c)
      for (int i = 0; i < b.padded; ++i)
        b.true_w[i] = b.label[i] == static_cast<T>(c) ? b.at(b.field, c)[i] : b.true_w[i];
    return {b.true_w, 0};
  }

 private:
  // Where the table of the row tabled[j] and class c is.
  std::int64_t table_of(std::int64_t j, std::int64_t c) const {
    return (j / 2 * std::max<std::int64_t>(channels, 2) + c) * 2 + j % 2;
  }
  void tabulate(std::int64_t k) {
    const std::int64_t classes = std::max<std::int64_t>(channels, 2), j = std::ssize(tabled);
    tabled.push_back(k);
    tables.resize(static_cast<std::size_t>(table_of(j | 1, classes - 1) + 1) * kLanes<T>);
    for (std::int64_t c = 0; c < classes; ++c)
      for (std::int64_t y = 0; y < classes; ++y)
        nth(tables, table_of(j, c) * kLanes<T> + y) =
            static_cast<T>(weight_of(nth(rows, k), y, c) * nth(values, k).at[y == c][1]);
  }
  // y = x times the weight of the label. `column` is a column of the [C, C] weights. x is 0 where there is no label.
  static void multiply_by_label(const VoxelBlock<T>& b, const double* column, const T* x, T* y) {
    T weights[kLanes<T>] = {};
    for (int c = 0; c < std::min(b.classes, kLanes<T>); ++c) weights[c] = static_cast<T>(column[c * b.classes]);
    const Vec<T> table = load(weights);
    for (int i = 0; i < b.padded; i += kLanes<T>) {
      const Vec<T> label = load(b.label + i);
      Vec<T> weight = take<T>(table, label);
      for (int c = kLanes<T>; c < b.classes; ++c)
        weight = label == splat(static_cast<T>(c)) ? splat(static_cast<T>(column[c * b.classes])) : weight;
      store(y + i, load(x + i) * weight);
    }
  }
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA

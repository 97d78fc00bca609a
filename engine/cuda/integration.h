// What the passes over the integrals of a loss share (integrals.cu forward, integrals_gradient.cu backward): the rows
// of the table as an argument of a kernel, and the softmax of one voxel. The formulas are those of engine/integrands.h.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "engine/cuda/device.h"
#include "engine/cuda/launch.h"
#include "engine/integrands.h"

namespace voxgrad::cuda {

using integrands::Scope;
using std::exp;
using std::log;
using std::log1p;

// Calls f with the integrand of `kind`, a type of integrands.h. All threads have the same kind: no divergence.
template <class T, class F>
__device__ __forceinline__ void visit(Integrand kind, F&& f) {
  switch (kind) {
#define VOXGRAD_CASE(name, ...) \
  case Integrand::name: return f(integrands::name<T>{});
    VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
  }
}

// One pass over a class map and its labels.
template <class T>
struct Integration {
  static constexpr int kMostRows = 64;  // an argument of a kernel has at most 4 KiB
  struct Row {
    Integrand kind;
    int width;  // of the field; 0: there is none
    T a;
    const T* field;
    const double* weights;
    int label_stride;  // of the weights; 0: they do not depend on the label

    __device__ T field_at(std::int64_t voxel, int channel) const {
      return width == 0 ? T(1) : field[width == 1 ? voxel : voxel * width + channel];
    }
    __device__ double weight_of(int label, int c) const {
      return weights == nullptr ? 1.0 : weights[label * label_stride + c];
    }
  };

  std::int64_t samples, voxels;  // voxels of one sample
  int channels, classes, first;  // one sigmoid channel is the second of two classes, the first has the logit 0
  int ignore;
  T temperature;
  const T* logits;
  const std::uint8_t* labels;
  bool complement = false;  // there is a row of that scope
  int count;
  Row rows[kMostRows];

  Integration(const Tensor& logit_map, const Tensor& label_map, const std::vector<Integral>& all_rows,
              const IntegrateOptions& options)
      : samples(logit_map.extent(0)),
        voxels(logit_map.shape().spatial_numel()),
        channels(static_cast<int>(logit_map.extent(-1))),
        classes(std::max(channels, 2)),
        first(classes - channels),
        ignore(options.ignore),
        temperature(static_cast<T>(options.temperature)),
        logits(logit_map.data<T>()),
        labels(label_map.data<std::uint8_t>()),
        count(static_cast<int>(all_rows.size())) {
    check(count <= kMostRows, "integrate: device cuda takes at most ", kMostRows, " rows, got ", count);
    for (int k = 0; k < count; ++k) {
      const Integral& row = all_rows[static_cast<std::size_t>(k)];
      const bool field = row.field.defined();
      complement = complement || scope_of(row.kind) == Scope::complement;
      rows[k] = {.kind = row.kind,
                 .width = field ? static_cast<int>(row.field.extent(-1)) : 0,
                 .a = static_cast<T>(row.a),
                 .field = field ? row.field.data<T>() : nullptr,
                 .weights = row.weights.defined() ? row.weights.data<double>() : nullptr,
                 .label_stride = row.weights.defined() && row.weights.dims() == 2 ? classes : 0};
    }
  }

 private:
  static Scope scope_of(Integrand kind) {
    switch (kind) {
#define VOXGRAD_CASE(name, scope, ...) \
  case Integrand::name: return Scope::scope;
      VOXGRAD_INTEGRAND_TABLE(VOXGRAD_CASE)
#undef VOXGRAD_CASE
    }
    return Scope::channel;
  }
};

// Kernels have a version for at most 2, 4 and 8 classes, with a voxel in registers, and one for any number, 0, that
// reads the logits and computes the exponentials again wherever they are wanted. f64 is for references: it has the
// first and the last one.
template <class T, class F>
void with_classes(int classes, F&& f) {
  if (classes <= 2) return f(std::integral_constant<int, 2>{});
  if constexpr (sizeof(T) == sizeof(float)) {
    if (classes <= 4) return f(std::integral_constant<int, 4>{});
    if (classes <= 8) return f(std::integral_constant<int, 8>{});
  }
  f(std::integral_constant<int, 0>{});
}

// Calls f(c) for each class c from `begin` to classes - 1. If kMost is not 0, the loop is unrolled, so that c is a
// constant of the compiler: an array that is indexed by constants can stay in registers.
template <class F, int... c>
__device__ __forceinline__ void for_constants(std::integer_sequence<int, c...>, int begin, int classes, F&& f) {
  ((c >= begin && c < classes ? f(c) : void()), ...);
}
template <int kMost, class F>
__device__ __forceinline__ void for_classes(int begin, int classes, F&& f) {
  if constexpr (kMost == 0) {
    for (int c = begin; c < classes; ++c) f(c);
  } else {
    for_constants(std::make_integer_sequence<int, kMost>{}, begin, classes, f);
  }
}

// Constants of the host, with a name, are constants of the card too; a call is not.
template <class Row, char kLetter>
constexpr bool kReads = Row::value_reads(kLetter) || Row::slope_reads(kLetter);
template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

// What a row reads at a voxel.
template <class T>
struct Point {
  T p, q, l, t;
};

// Inlined everywhere: a voxel with an address would not stay in registers.
template <class T, int kMost>
class Voxel {
 public:
  int label = -1;  // -1: ignored, or no voxel at all; nothing below is valid then
  int top = 0;     // the class with the largest logit
  T top_p = 1, top_q = 0;

  // The largest logit is left out of the sum of the exponentials: rest = sum_(c != top) exp(z_c - z_top). So the digits
  // of 1 - p_top = rest / (1 + rest) and of -log p = log1p(rest) + z_top - z are kept, even if they are very small.
  __device__ __forceinline__ void load(const Integration<T>& pass, std::int64_t voxel) {
    const int given = pass.labels[voxel];
    if (given == pass.ignore || given >= pass.classes) return;  // the operation reports a label beyond the classes
    label = given;
    classes_ = pass.classes;
    temperature_ = pass.temperature;
    logits_ = pass.logits + voxel * pass.channels;
    if constexpr (kMost > 0)
      for_classes<kMost>(0, classes_,
                         [&](int c) { z_[c] = c < pass.first ? T(0) : logits_[c - pass.first] * temperature_; });
    largest_ = z(0);
    for_classes<kMost>(1, classes_, [&](int c) {
      const T zc = z(c);
      top = zc > largest_ ? c : top;
      largest_ = zc > largest_ ? zc : largest_;
    });
    T rest = 0;
    for_classes<kMost>(0, classes_, [&](int c) {
      const T e = exp(z(c) - largest_);
      if constexpr (kMost > 0) p_[c] = e;
      rest += c == top ? T(0) : e;
    });
    const T sum = T(1) + rest;
    top_p = T(1) / sum;
    top_q = rest * top_p;
    if constexpr (kMost > 0) for_classes<kMost>(0, classes_, [&](int c) { p_[c] *= top_p; });
    log_sum_ = log(sum) + (rest - (sum - T(1))) * top_p;  // log1p(rest): what the rounding of the sum lost is put back
    if (pass.complement) load_complement();
  }

  __device__ __forceinline__ T p(int c) const {
    if constexpr (kMost > 0) return p_[c];
    return exp(z(c) - largest_) * top_p;
  }
  // The softmax without the largest class; for that class 0.
  __device__ __forceinline__ T r(int c) const { return c == top ? T(0) : exp(z(c) - second_) / others_; }

  template <class Row>
  __device__ __forceinline__ Point<T> at(int c) const {
    constexpr bool kP = kReads<Row, 'p'>, kQ = kReads<Row, 'q'>, kL = kReads<Row, 'l'>;
    if constexpr (Row::scope == Scope::complement)
      return {kP ? q(c) : T(0), kQ ? p(c) : T(0), kL ? k(c) : T(0), T(label != c)};
    return {kP ? p(c) : T(0), kQ ? q(c) : T(0), kL ? l(c) : T(0), T(label == c)};
  }
  // The same at the class of the label.
  template <class Row>
  __device__ __forceinline__ Point<T> at_label() const {
    if constexpr (kMost == 0) {
      return at<Row>(label);
    } else {  // a choice of registers, which have no index
      Point<T> result{};
      for_classes<kMost>(0, classes_, [&](int c) {
        if (c == label) result = at<Row>(c);
      });
      return result;
    }
  }

 private:
  __device__ __forceinline__ T z(int c) const {
    if constexpr (kMost > 0) return z_[c];
    return logits_[c] * temperature_;
  }
  __device__ __forceinline__ T q(int c) const { return c == top ? top_q : T(1) - p(c); }
  __device__ __forceinline__ T l(int c) const { return log_sum_ + (largest_ - z(c)); }
  // -log(1 - p): for the largest class z_top - log sum_(c != top) exp(z_c), which needs the second largest logit.
  __device__ __forceinline__ T k(int c) const {
    return p(c) > T(0.5) ? log_sum_ + (largest_ - second_) - log(others_) : -log1p(-p(c));
  }
  __device__ __forceinline__ void load_complement() {
    second_ = -kInfinity<T>;
    for_classes<kMost>(0, classes_, [&](int c) { second_ = c != top && z(c) > second_ ? z(c) : second_; });
    others_ = 0;
    for_classes<kMost>(0, classes_, [&](int c) { others_ += c == top ? T(0) : exp(z(c) - second_); });
  }

  int classes_;
  T temperature_;
  const T* logits_;
  T largest_ = 0, log_sum_ = 0, second_ = 0, others_ = 1;
  T z_[kMost > 0 ? kMost : 1] = {}, p_[kMost > 0 ? kMost : 1] = {};
};

}  // namespace voxgrad::cuda

// Most integrands (the rows of the table in engine/integrands.h) are a weight times a polynomial of the probability p,
// such as p t, p, p^2 or 1, where t is 1 if the label is the class and else 0. The integrals of all of them follow from
// the sums of 1, p and p^2 over the voxels with t = 1 and over those with t = 0. In the gradient, their functions
// h = p df/dp add up to one polynomial. Which rows are polynomials is found from their formulas. Include this file
// after engine/cpu/isa.h and simd_math.h.
#pragma once

#include "engine/cpu/voxel_block.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

struct Polynomial {
  bool fits = false;
  std::array<std::array<double, 3>, 2> at{};  // [t][power of p]
  int degree() const {
    for (std::size_t k = 2; k > 0; --k)
      if (at[0][k] != 0 || at[1][k] != 0) return static_cast<int>(k);
    return 0;
  }
};

// Returns the polynomial of f(p, t), if it is one of degree two or less in p.
template <class F>
Polynomial fit(F&& f) {
  Polynomial result{.fits = true, .at = {}};
  for (std::size_t t = 0; t < 2; ++t) {
    const double truth = static_cast<double>(t), zero = f(0.0, truth), one = f(1.0, truth), minus = f(-1.0, truth);
    result.at[t] = {zero, (one - minus) / 2, (one + minus) / 2 - zero};
    const auto& [a, b, c] = result.at[t];
    result.fits &= f(2.0, truth) == a + 2 * b + 4 * c && f(-2.0, truth) == a - 2 * b + 4 * c;
  }
  return result.fits ? result : Polynomial{};
}

// The sums of a class over a block. Each is stored in kPartial parts, in the order of the members.
struct PowerSums {
  static constexpr int kCount = 5;
  double truths, p_truths, p_others, pp_truths, pp_others;

  double operator()(const Polynomial& f, double voxels) const {
    return f.at[1][0] * truths + f.at[0][0] * (voxels - truths) + f.at[1][1] * p_truths + f.at[0][1] * p_others +
           f.at[1][2] * pp_truths + f.at[0][2] * pp_others;
  }
};

// Returns table[index] for every lane. If an index is too large or -1, the lane gets any element.
template <class T>
inline Vec<T> take(Vec<T> table, Vec<T> index) {
  typedef std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> Index
      __attribute__((vector_size(kVectorBytes)));
  const Index lane = __builtin_convertvector(index, Index) & (kLanes<T> - 1);
#ifdef __clang__
  Vec<T> result{};
  for (int i = 0; i < kLanes<T>; ++i) result[i] = table[lane[i]];
  return result;
#else
  return __builtin_shuffle(table, lane);
#endif
}

// h = the polynomials of every class, and 0 where a voxel is ignored. at is [classes][label][3]. With kByLabel every
// label has its own polynomial, which needs at least as many lanes as labels. Otherwise all labels but the class itself
// have the same.
template <int kDegree, bool kByLabel, class T>
void fill_slopes(const VoxelBlock<T>& b, const double* at) {
  for (int c = 0; c < b.classes; ++c, at += 3 * b.classes) {
    Vec<T> others[3], truths[3], tables[3];
    for (int k = 0; k <= kDegree; ++k) {
      others[k] = splat(static_cast<T>(at[(c == 0 ? 3 : 0) + k]));
      truths[k] = splat(static_cast<T>(at[3 * c + k]));
      if constexpr (kByLabel) {
        T values[kLanes<T>] = {};
        for (int y = 0; y < b.classes; ++y) values[y] = static_cast<T>(at[3 * y + k]);
        tables[k] = load(values);
      }
    }
    const Vec<T> mine = splat(static_cast<T>(c));
    const T *const p = b.at(b.p, c), *const label = b.label, *const valid = b.valid;
    T* const h = b.at(b.h, c);
    VOXGRAD_INDEPENDENT
    for (int i = 0; i < b.padded; i += kLanes<T>) {
      const Vec<T> y = load(label + i);
      const auto coefficient = [&](int k) VOXGRAD_INLINE {
        if constexpr (kByLabel) return take<T>(tables[k], y);
        return y == mine ? truths[k] : others[k];
      };
      Vec<T> sum = coefficient(kDegree);
      for (int k = kDegree - 1; k >= 0; --k) sum = sum * load(p + i) + coefficient(k);
      store(h + i, sum * load(valid + i));
    }
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

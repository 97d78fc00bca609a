// The pointwise functions that losses integrate (integrate() in engine/ops.h), written once for all backends.
//
// A row has a name, a scope, which of p, q and l the function f reads, f, and then the same for h = p * df/dp. In a row
//   p   a probability, see scope               q   1 - p, without cancellation
//   l   -log p, without cancellation           t   1 if p is the probability of what the label says, else 0
//   w   class weight times field value         a   the parameter of the row
//
// scope channel:    for every channel c, added to I[n, c]: p is the probability of class c.
// scope complement: for every channel c, added to I[n, c]: p is the probability of everything but class c, so l is
//                   -log(1 - p_c) and t is 1 unless the label is c.
// scope truth:      once per voxel, at its true class y, added to I[n, y] (I[n, 0] for one sigmoid channel).
//
// One sigmoid channel z is the second of two channels with logits (0, z); the first has no integrals of its own. So
// there are two class weights, for label 0 and label 1, and the scopes channel and complement use the second. Weights
// by label and class give a voxel with label y the weight [y, c] in integral c.
//
// f is linear in w, and h is finite at p = 0 and p = 1. Let H_c be the sum of h over the rows, each times its upstream
// gradient, and m the channel with the largest logit. The gradient with respect to the logits loses no digits when it
// is computed as
//   dz_c = H_c - p_c sum_k H_k   for c != m,      dz_m = -sum_(c != m) dz_c.
// A complement row enters as H_c -= h p_c / q_c for c != m. For c = m that ratio may overflow; the row adds
// p_m h r_c to the other dz_c, where r_c = p_c / q_m is the softmax without channel m.
#pragma once

#include <cmath>

#include "engine/functors.h"

// clang-format off
//      name           scope       f reads  f                             h reads  h = p df/dp
#define VOXGRAD_INTEGRAND_TABLE(ROW)                                                                             \
  ROW(overlap,       channel,    "p",     w * p * t,                    "p",     w * p * t)                      \
  ROW(mass,          channel,    "p",     w * p,                        "p",     w * p)                          \
  ROW(square,        channel,    "p",     w * p * p,                    "p",     T(2) * w * p * p)               \
  ROW(present,       channel,    "",      w * t,                        "",      T(0))                           \
  ROW(voxels,        channel,    "",      w,                            "",      T(0))                           \
  ROW(miss_power,    channel,    "q",     w * power(q, a) * t,          "pq",    -a * w * p * power(q, a - T(1)) * t) \
  ROW(alarm_power,   channel,    "p",     w * power(p, a) * (T(1) - t), "p",     a * w * p * power(p, a - T(1)) * (T(1) - t)) \
  ROW(error_square,  channel,    "pq",    w * sq(t > T(0) ? q : p),     "pq",    T(2) * w * p * (t > T(0) ? -q : p)) \
  ROW(error,         channel,    "pq",    w * (t > T(0) ? q : p),       "p",     w * p * (T(1) - T(2) * t))      \
  ROW(log_loss,      channel,    "l",     w * l,                        "",      -w)                             \
  ROW(miss_log,      channel,    "l",     w * t * l,                    "",      -w * t)                         \
  ROW(alarm_log,     complement, "l",     w * t * l,                    "",      -w * t)                         \
  ROW(rest_log,      complement, "l",     w * l,                        "",      -w)                             \
  ROW(nll,           truth,      "l",     w * l,                        "",      -w)                             \
  ROW(focal,         truth,      "ql",    w * power(q, a) * l,          "pql",   -w * (power(q, a) + focal_slope(p, q, l, a))) \
  ROW(nll_power,     truth,      "l",     w * power(l, a),              "l",     -w * power_slope(l, a))         \
  ROW(nll_above,     truth,      "l",     l <= a ? T(0) : w * l,       "l",     l <= a ? T(0) : -w)             \
  ROW(weight_above,  truth,      "l",     l <= a ? T(0) : w,           "",      T(0))                           \
  ROW(weight,        truth,      "",      w,                            "",      T(0))
// clang-format on

namespace voxgrad {

#define VOXGRAD_NAME(name, ...) name,
enum class Integrand : int { VOXGRAD_INTEGRAND_TABLE(VOXGRAD_NAME) };
#undef VOXGRAD_NAME

namespace integrands {

enum class Scope { channel, complement, truth };

template <class T>
VOXGRAD_HOST_DEVICE inline T sq(T x) {
  return x * x;
}

// x^a for x >= 0 with 0^0 = 1, at most 1e30 in f32. x - x is 0, or NaN if x is. The most frequent exponents are
// computed as products.
template <class T>
VOXGRAD_HOST_DEVICE inline T power(T x, T a) {
  if (a == T(2)) return x * x;
  if (a == T(1)) return x;
  if (a == T(0)) return T(1);
  if (a == T(0.5)) return std::sqrt(x);
  return x > T(0) ? std::fmin(std::pow(x, a), T(sizeof(T) == sizeof(float) ? 1e30 : 1e300)) : x - x;
}

// a p q^(a-1) l: its limit at q = 0 is 0 because l ~ q.
template <class T>
VOXGRAD_HOST_DEVICE inline T focal_slope(T p, T q, T l, T a) {
  return q > T(0) ? a * p * power(q, a) / q * l : q - q;
}

template <class T>
inline constexpr T kLeast = sizeof(T) == sizeof(float) ? T(1e-36) : T(1e-300);  // the quotient stays finite
// a x^(a-1), infinite at x = 0 if a < 1. The softmax multiplies it by 1 - p, about x there, and a x^a tends to 0.
template <class T>
VOXGRAD_HOST_DEVICE inline T power_slope(T x, T a) {
  return x > kLeast<T> ? a * power(x, a) / x : x - x;
}

constexpr bool contains(const char* letters, char letter) {
  for (; *letters != '\0'; ++letters)
    if (*letters == letter) return true;
  return false;
}

// value_reads() and slope_reads() say whether f and h need p, q or l. A row whose f reads none of them has no gradient.
#define VOXGRAD_INTEGRAND(name, reach, letters, formula, slope_letters, slope_formula)                     \
  template <class T>                                                                                       \
  struct name {                                                                                            \
    static constexpr Scope scope = Scope::reach;                                                           \
    static constexpr bool value_reads(char letter) { return contains(letters, letter); }                   \
    static constexpr bool slope_reads(char letter) { return contains(slope_letters, letter); }             \
    static constexpr bool constant = letters[0] == '\0';                                                   \
    VOXGRAD_HOST_DEVICE static T value([[maybe_unused]] T p, [[maybe_unused]] T q, [[maybe_unused]] T l,   \
                                       [[maybe_unused]] T t, T w, [[maybe_unused]] T a) {                  \
      return formula;                                                                                      \
    }                                                                                                      \
    VOXGRAD_HOST_DEVICE static T slope([[maybe_unused]] T p, [[maybe_unused]] T q, [[maybe_unused]] T l,   \
                                       [[maybe_unused]] T t, [[maybe_unused]] T w, [[maybe_unused]] T a) { \
      return slope_formula;                                                                                \
    }                                                                                                      \
  };
VOXGRAD_INTEGRAND_TABLE(VOXGRAD_INTEGRAND)
#undef VOXGRAD_INTEGRAND

}  // namespace integrands
}  // namespace voxgrad

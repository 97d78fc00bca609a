// The pointwise functions that losses integrate (engine/ops.h, integrate), once, for all backends.
//
// A row is: name, scope, f, h = p * df/dp. In a row
//   p   probability: of channel c (scope channel), of the true class (scope truth)
//   q   1 - p, without cancellation          l   -log p, without cancellation
//   t   1 if the voxel's label is c, else 0  (scope channel)
//   w   class weight times field value       a   the parameter of the row
//
// scope channel: evaluated for every channel c, added to I[n, c].
// scope truth:   evaluated once per voxel at its true class y, added to I[n, y] (I[n, 0] for one sigmoid channel,
//                where p is the probability of the label that is there, 0 or 1, and w has two class weights).
// h is finite at p = 0 and p = 1. The gradient with respect to the logits is dz_c = H_c - p_c * sum_k H_k (softmax),
// H the sum of h over the rows with their upstream gradients, and dz = +-q * H (one sigmoid channel).
#pragma once

#include <cmath>

#include "engine/functors.h"

// clang-format off
//      name           scope     f                       h = p df/dp
#define VOXGRAD_INTEGRAND_TABLE(ROW)                                                                     \
  ROW(overlap,       channel,  w * p * t,              w * p * t)                                        \
  ROW(mass,          channel,  w * p,                  w * p)                                            \
  ROW(square,        channel,  w * p * p,              T(2) * w * p * p)                                 \
  ROW(present,       channel,  w * t,                  T(0))                                             \
  ROW(voxels,        channel,  w,                      T(0))                                             \
  ROW(miss_square,   channel,  w * q * q * t,          T(-2) * w * p * q * t)                            \
  ROW(alarm_square,  channel,  w * p * p * (T(1) - t), T(2) * w * p * p * (T(1) - t))                    \
  ROW(error_square,  channel,  w * (p - t) * (p - t),  T(2) * w * p * (p - t))                           \
  ROW(log_loss,      channel,  w * l,                  -w)                                               \
  ROW(nll,           truth,    w * l,                  -w)                                               \
  ROW(focal,         truth,    w * power(q, a) * l,    -w * (power(q, a) + focal_slope(p, q, l, a)))     \
  ROW(nll_power,     truth,    w * power(l, a),        l > T(0) ? -w * a * power(l, a) / l : T(0))       \
  ROW(weight,        truth,    w,                      T(0))
// clang-format on

namespace voxgrad {

#define VOXGRAD_NAME(name, ...) name,
enum class Integrand { VOXGRAD_INTEGRAND_TABLE(VOXGRAD_NAME) };
#undef VOXGRAD_NAME

namespace integrands {

enum class Scope { channel, truth };

// x^a for x >= 0 with 0^0 = 1; the exponents that occur most are products.
template <class T>
VOXGRAD_HOST_DEVICE inline T power(T x, T a) {
  if (a == T(2)) return x * x;
  if (a == T(1)) return x;
  if (a == T(0)) return T(1);
  return x > T(0) ? std::pow(x, a) : T(0);
}

// a p q^(a-1) l: its limit at q = 0 is 0 because l ~ q.
template <class T>
VOXGRAD_HOST_DEVICE inline T focal_slope(T p, T q, T l, T a) {
  return q > T(0) ? a * p * power(q, a) / q * l : T(0);
}

#define VOXGRAD_INTEGRAND(name, reach, formula, slope_formula)                                             \
  template <class T>                                                                                       \
  struct name {                                                                                            \
    static constexpr Scope scope = Scope::reach;                                                           \
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

// The formula of every elementwise operation and of its derivative, once, for all backends.
// A row has a name, y = f(x) and dy/dx. In a row, x is the input, y the output, T the type, and a and b are scalar
// parameters. NaN must give NaN: no comparison may hide it.
// An operation needs a row here and a function in engine/ops.h.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define VOXGRAD_HOST_DEVICE __host__ __device__
#else
#define VOXGRAD_HOST_DEVICE
#endif

// clang-format off
//       name        f(x)                                                  df/dx (x, y)
#define VOXGRAD_UNARY_TABLE(ROW)                                                                                       \
  ROW(affine,      a * x + b,                                            a)                                            \
  ROW(exp,         exp(x),                                               y)                                            \
  ROW(log,         log(x),                                               T(1) / x)                                     \
  ROW(log1p,       log1p(x),                                             T(1) / (T(1) + x))                            \
  ROW(sqrt,        sqrt(x),                                              T(0.5) / y)                                   \
  ROW(square,      x * x,                                                T(2) * x)                                     \
  ROW(abs,         fabs(x),                                              T(x > T(0)) - T(x < T(0)))                    \
  ROW(reciprocal,  T(1) / x,                                             -y * y)                                       \
  ROW(sigmoid,     sigmoid_of(x),                                        y * (T(1) - y))                               \
  ROW(tanh,        tanh(x),                                              T(1) - y * y)                                 \
  ROW(softplus,    fmax(x, T(0)) + log1p(exp(-fabs(x))),                 sigmoid_of(x))                                \
  ROW(relu,        x <= T(0) ? T(0) : x,                                 x > T(0) ? T(1) : T(0))                       \
  ROW(leaky_relu,  x > T(0) ? x : a * x,                                 x > T(0) ? T(1) : a)                          \
  ROW(pow,         pow(x, a),                                            a == T(0) ? T(0) : a * pow(x, a - T(1)))      \
  /* a negative x counts as 0 and has gradient 0 */                                                                    \
  ROW(safe_pow,    x <= T(0) ? T(a == T(0)) : pow(x, a),                 x > T(0) ? a * y / x : T(0))                  \
  ROW(clamp,       x < a ? a : x > b ? b : x,                            x >= a && x <= b ? T(1) : T(0))               \
  ROW(log_cosh,    fabs(x) < T(1) ? T(-0.5) * log1p(-tanh(x) * tanh(x)) :                                              \
                   fabs(x) + log1p(exp(T(-2) * fabs(x))) - T(0.69314718055994530942), tanh(x))

//       name        f(p, q)           df/dp             df/dq
#define VOXGRAD_BINARY_TABLE(ROW)                                                 \
  ROW(add,         p + q,            T(1),             T(1))                      \
  ROW(subtract,    p - q,            T(1),             T(-1))                     \
  ROW(multiply,    p * q,            q,                p)                         \
  ROW(divide,      p / q,            T(1) / q,         -p / q / q)                \
  ROW(minimum,     p <= q || p != p ? p : q,  T(p <= q),  T(p > q))               \
  ROW(maximum,     p >= q || p != p ? p : q,  T(p >= q),  T(p < q))               \
  ROW(equal,       T(p == q),        T(0),             T(0))
// clang-format on

namespace voxgrad {

#define VOXGRAD_NAME(name, ...) name,
enum class UnaryOp { VOXGRAD_UNARY_TABLE(VOXGRAD_NAME) };
enum class BinaryOp { VOXGRAD_BINARY_TABLE(VOXGRAD_NAME) };
#undef VOXGRAD_NAME

namespace functors {

using std::exp;
using std::fabs;
using std::fmax;
using std::fmin;
using std::log;
using std::log1p;
using std::pow;
using std::sqrt;
using std::tanh;

template <class T>
VOXGRAD_HOST_DEVICE inline T sigmoid_of(T x) {
  const T e = exp(-fabs(x));
  return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

#define VOXGRAD_UNARY_FUNCTOR(name, formula, derivative)                                                 \
  template <class T>                                                                                     \
  struct unary_##name {                                                                                  \
    [[maybe_unused]] T a, b;                                                                             \
    VOXGRAD_HOST_DEVICE T value(T x) const { return formula; }                                           \
    VOXGRAD_HOST_DEVICE T slope([[maybe_unused]] T x, [[maybe_unused]] T y) const { return derivative; } \
  };
VOXGRAD_UNARY_TABLE(VOXGRAD_UNARY_FUNCTOR)
#undef VOXGRAD_UNARY_FUNCTOR

#define VOXGRAD_BINARY_FUNCTOR(name, formula, derivative_p, derivative_q)                                     \
  template <class T>                                                                                          \
  struct binary_##name {                                                                                      \
    VOXGRAD_HOST_DEVICE static T value(T p, T q) { return formula; }                                          \
    VOXGRAD_HOST_DEVICE static T slope_p([[maybe_unused]] T p, [[maybe_unused]] T q) { return derivative_p; } \
    VOXGRAD_HOST_DEVICE static T slope_q([[maybe_unused]] T p, [[maybe_unused]] T q) { return derivative_q; } \
  };
VOXGRAD_BINARY_TABLE(VOXGRAD_BINARY_FUNCTOR)
#undef VOXGRAD_BINARY_FUNCTOR

}  // namespace functors
}  // namespace voxgrad

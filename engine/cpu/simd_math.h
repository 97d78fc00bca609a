// exp, log and powers of vectors. In f32 they are polynomials with an error of about 1 ulp; that of log is from the
// Cephes library (Moshier). In f64 they call the C library for each lane. NaN stays NaN. Include this file after
// engine/cpu/isa.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

typedef VectorOf<std::int32_t>::type IntVec;
typedef VectorOf<std::uint32_t>::type BitVec;  // unsigned, because lanes whose result is not used may overflow

inline Vec<float> as_float(IntVec bits) {
  Vec<float> v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
inline Vec<float> as_float(BitVec bits) {
  Vec<float> v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
inline BitVec as_bits(Vec<float> v) {
  BitVec bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}
inline IntVec as_int(Vec<float> v) {
  IntVec bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

// e^x for x <= 88. The result is 0 below -87.3, where it would be denormal. With x = n log 2 + r, e^r is a polynomial
// of degree 6 in r with an error of 1e-8. It is multiplied by 2^n; adding n to its exponent would make numbers of NaNs.
[[gnu::always_inline]] inline Vec<float> exp_of(Vec<float> x) {
  // 1.5 * 2^23 + 127: adding it rounds to an integer, which is then in the low bits with the bias of an exponent.
  const Vec<float> round = splat(12583039.0f);
  const Vec<float> shifted = x * 1.44269504088896341f + round;
  const Vec<float> n = shifted - round;
  const Vec<float> r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec<float> y = splat(1.392632606e-3f);
  y = y * r + 8.363292553e-3f;
  y = y * r + 4.166655242e-2f;
  y = y * r + 1.666657627e-1f;
  y = y * r + 0.5f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  return x < -87.3f ? Vec<float>{} : y * as_float(as_bits(shifted) << 23);
}

// The logarithm of x, which must be positive and normal.
[[gnu::always_inline]] inline Vec<float> log_of(Vec<float> x) {
  const IntVec bits = as_int(x) - 0x3f3504f3;  // sqrt(1/2): so the mantissa is between sqrt(1/2) and sqrt(2)
  const Vec<float> e = __builtin_convertvector(bits >> 23, Vec<float>);
  const Vec<float> f = as_float((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  Vec<float> y = splat(7.0376836292e-2f);
  y = y * f - 1.1514610310e-1f;
  y = y * f + 1.1676998740e-1f;
  y = y * f - 1.2420140846e-1f;
  y = y * f + 1.4249322787e-1f;
  y = y * f - 1.6668057665e-1f;
  y = y * f + 2.0000714765e-1f;
  y = y * f - 2.4999993993e-1f;
  y = y * f + 3.3333331174e-1f;
  const Vec<float> square = f * f;
  y = y * f * square + e * -2.12194440e-4f - 0.5f * square;
  return f + y + e * 0.693359375f + (x - x);  // x - x: NaN and infinity become NaN
}

// These two are not inlined: a call costs little beside the C library, and they are used in many kernels.
[[gnu::noinline]] inline Vec<double> exp_of(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::exp(x[i]);
  return x;
}
[[gnu::noinline]] inline Vec<double> log_of(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = std::log(x[i]);
  return x;
}

// log(1 + x) for x >= -1/2. It is exact to the last digits for small x too, because what 1 + x loses by rounding is
// added back.
template <class T>
inline Vec<T> log1p_of(Vec<T> x) {
  const Vec<T> u = T(1) + x;
  return log_of(u) + (x - (u - T(1))) / u;
}

template <class V>
inline V sqrt_of(V x) {
  for (std::size_t i = 0; i < sizeof(V) / sizeof(x[0]); ++i) x[i] = std::sqrt(x[i]);
  return x;
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

#include "data/phantoms/exact_math.h"

#include <array>
#include <numbers>

namespace voxgrad::data::phantom {
namespace {

constexpr double kLn2High = 0x1.62e42feep-1;       // has 32 bits, so its product with a small integer is exact
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;  // ln 2 - kLn2High

// Returns 1 / f(0), 1 / f(1), .., so that the loops below need no division. The compiler's arithmetic is IEEE 754 too.
template <int Count, class F>
constexpr std::array<double, Count> reciprocals(F&& f) {
  std::array<double, Count> result{};
  for (int i = 0; i < Count; ++i) result[static_cast<std::size_t>(i)] = 1.0 / f(i);
  return result;
}
constexpr auto kExp = reciprocals<13>([](int i) { return i + 1; });
constexpr auto kLog = reciprocals<12>([](int i) { return 2 * i + 1; });
constexpr auto kSin = reciprocals<8>([](int i) { return (2 * i + 2) * (2 * i + 3); });
constexpr auto kCos = reciprocals<8>([](int i) { return (2 * i + 1) * (2 * i + 2); });

}  // namespace

double exact_exp(double x) {
  const double k = std::floor(x * std::numbers::log2e + 0.5);
  const double r = x - k * kLn2High - k * kLn2Low;  // |r| <= ln2 / 2
  double sum = 1.0;
  for (std::size_t i = kExp.size(); i-- > 0;) sum = 1.0 + sum * r * kExp[i];
  return std::ldexp(sum, static_cast<int>(k));
}

double exact_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < std::numbers::sqrt2 / 2) {
    m *= 2.0;
    --exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);  // log m = 2 atanh s, |s| < 0.172
  double sum = 0.0;
  for (std::size_t i = kLog.size(); i-- > 0;) sum = kLog[i] + sum * (s * s);
  return exponent * kLn2High + (exponent * kLn2Low + 2.0 * s * sum);
}

SinCos exact_sin_cos(double turns) {
  const double quarters = std::floor(4.0 * turns + 0.5);
  const double a = (turns - quarters / 4.0) * (2.0 * std::numbers::pi);  // |a| <= pi / 4
  double sine = 1.0, cosine = 1.0;
  for (std::size_t i = kSin.size(); i-- > 0;) {
    sine = 1.0 - sine * (a * a * kSin[i]);
    cosine = 1.0 - cosine * (a * a * kCos[i]);
  }
  sine *= a;
  switch (static_cast<int>(quarters - 4.0 * std::floor(quarters / 4.0))) {
    case 0: return {sine, cosine};
    case 1: return {cosine, -sine};
    case 2: return {-sine, -cosine};
    default: return {-cosine, sine};
  }
}

}  // namespace voxgrad::data::phantom

// Elementary functions and random numbers that are made of + - * / and sqrt only, which IEEE 754 rounds the same way
// everywhere. The exp, log, sin and cos of the standard library differ in the last bit between machines, and one bit
// before quantisation can be another byte in a dataset. Only data/phantoms may include this header, because its files
// are compiled without fused multiply-add.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "engine/random.h"

namespace voxgrad::data::phantom {

double exact_exp(double x);  // relative error below 1e-15 for |x| < 700
double exact_log(double x);  // for normal x > 0; absolute error below 1e-15 (1 + |log x|)

struct SinCos {
  double sin, cos;
};
SinCos exact_sin_cos(double turns);  // of the angle 2 pi * turns; absolute error below 1e-15

// The random numbers of one case, or of one part of it.
class Draw {
 public:
  explicit Draw(Random random) : random_(random) {}
  Draw fork(std::uint64_t id) const { return Draw(random_.fork(id)); }

  double uniform() { return to_unit(random_.bits()); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // The logarithm is uniform, so values between 1 and 2 are as likely as those between 2 and 4.
  double log_uniform(double low, double high) { return low * exact_exp(uniform() * exact_log(high / low)); }
  // Draws two independent normal numbers (Box-Muller).
  std::array<double, 2> normal_pair() {
    const double radius = std::sqrt(-2.0 * exact_log(uniform()));
    const SinCos angle = exact_sin_cos(uniform());
    return {radius * angle.cos, radius * angle.sin};
  }
  double normal() { return normal_pair()[0]; }
  double normal(double mean, double deviation) { return mean + deviation * normal(); }
  bool chance(double probability) { return uniform() < probability; }
  std::int64_t below(std::int64_t n) { return random_.below(n); }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  double sign() { return chance(0.5) ? 1.0 : -1.0; }

 private:
  Random random_;
};

}  // namespace voxgrad::data::phantom

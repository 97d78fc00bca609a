// Count, mean and sum of squared deviations. Two of them are merged by the rule of Chan, Golub and LeVeque (1983), so a
// mean far from zero costs no digits. Include this file after engine/cpu/isa.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

struct Moments {
  double n = 0, mean = 0, m2 = 0;
  void merge(const Moments& other) {
    if (other.n == 0) return;
    const double delta = other.mean - mean, share = other.n / (n + other.n);
    m2 += other.m2 + delta * delta * n * share;
    mean += delta * share;
    n += other.n;
  }
  double rstd(double eps) const { return 1 / std::sqrt(m2 / std::max(n, 1.0) + eps); }
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA

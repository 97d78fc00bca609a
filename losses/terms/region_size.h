// How far the predicted size of each class is from the true one: what region_size, ce_l1, ce_kl and ce_db add up.
#pragma once

#include "losses/core/inputs.h"

namespace voxgrad::losses {

enum class SizeTerm { l1, kl, db };

inline Parameter temperature_parameter() {
  return number("temperature", 1, 1e-3, 1e6,
                "of the softmax in the sizes; 10 in all published experiments: sizes of nearly hard regions");
}
inline Parameter size_eps_parameter() { return number("eps", 1e-10, 1e-12, 1, "added to the proportions"); }

// p and q, true and predicted proportion [N, C], from P = sum softmax(temperature * z), G and M voxels.
//   l1: mean_nc |q - p|      kl: mean_n sum_c p ln(p / q)      db: mean_nc ln(p + q + eps)
// One sigmoid channel has the proportions of two classes in kl.
inline Tensor size_term(SizeTerm kind, const Tensor& P, const Tensor& G, const Tensor& M, double eps) {
  const auto proportion = [&](const Tensor& size) { return (size + eps) / (M + eps); };
  const Tensor q = proportion(P), p = proportion(G);
  if (kind == SizeTerm::l1) return mean(abs(q - p));
  if (kind == SizeTerm::db) return mean(log(p + q + eps));
  const auto divergence = [](const Tensor& a, const Tensor& b) { return a * log(a / b); };
  Tensor total = sum(divergence(p, q), {1});
  if (p.extent(1) == 1) total = total + sum(divergence(proportion(M - G), proportion(M - P)), {1});
  return mean(total);
}

// Cross entropy plus lambda times the size term.
Spec ce_with_size(const std::string& name, SizeTerm kind, const std::string& formula, const std::string& helps,
                  const std::string& fails);

}  // namespace voxgrad::losses

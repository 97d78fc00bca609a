// Exercise 5: instance norm and its gradients.
// Read before: engine/ops.h, the comment of normalise(); nn/README.md, decisions 5 and 10
//
// Every channel of every sample gets mean 0 and variance 1, and then a scale and a shift that the network learns. For
// one sample n and one channel c, over its M = H W pixels:
//
//   mean = sum x / M        variance = sum (x - mean)^2 / M        r = 1 / sqrt(variance + eps)
//   h = (x - mean) r        y = gamma[c] h + beta[c]
//
//   x, y [N, H, W, C], gamma and beta [C]
//
// The variance must be computed as it is written: sum x^2 / M - mean^2 is the same on paper, but if x lies around 1e8,
// both terms are 1e16 and an f64 has 16 digits, so nothing is left of the difference.
//
// For the gradients, dy is the derivative of the loss with respect to y. Those by gamma and beta are sums over all
// samples, because all of them use the same gamma and beta:
//
//   dgamma[c] = sum dy h        dbeta[c] = sum dy
//
// x reaches y in three ways: directly, through the mean, and through r. Together they give, for each n and c,
//
//   dx = gamma r (dy - mean of dy - h (mean of dy h))
//
// with means over the M pixels. Derive it, or check what it says: a constant that is added to dy changes nothing,
// because the mean of y is beta, whatever x is; and dx adds up to 0, because the norm would remove a constant from x.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_instance_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  not_filled("my_instance_norm", x, gamma, beta, eps);
}

struct NormGradients {
  Tensor x, gamma, beta;  // with the shapes of x, gamma and beta
};
inline NormGradients my_instance_norm_gradients(const Tensor& x, const Tensor& gamma, double eps, const Tensor& dy) {
  not_filled("my_instance_norm_gradients", x, gamma, eps, dy);
}

}  // namespace voxgrad::learn

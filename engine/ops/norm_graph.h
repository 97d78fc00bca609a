// What a normalisation records, whether its result was computed (ops/norm.cpp) or is pending (ops/fused.cpp).
#pragma once

#include <vector>

#include "engine/ops/common.h"

namespace voxgrad::detail {

// gamma and beta are undefined or [C].
void check_affine(const Tensor& x, const Tensor& parameter, const char* op, const char* what);

struct Normalisation {
  Tensor mean, rstd, gamma, beta;
  NormActivation activation;
  bool constant_statistics = false;  // mean and rstd do not depend on x
};
// The gradients of the normalised and activated x with respect to x, gamma and beta, for record().
std::vector<Input> norm_inputs(const Tensor& x, const Normalisation& norm);

// Batch norm: 1 / sqrt(running_var + eps), [1, C].
Tensor running_rstd(const Tensor& running_var, double eps);
// Moves the running statistics by `momentum` towards mean and rstd [1, C], which come from `count` values.
void move_running(const Tensor& mean, const Tensor& rstd, double eps, std::int64_t count, double momentum,
                  const Tensor& running_mean, const Tensor& running_var);

}  // namespace voxgrad::detail

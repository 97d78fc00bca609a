// A normalisation in the making, whether its result is computed (ops/norm.cpp) or deferred (conv_norm in ops/conv.cpp).
#pragma once

#include <vector>

#include "engine/ops/common.h"

namespace voxgrad::detail {

struct Normalisation {
  FeatureMap map;         // without x. mean and rstd are allocated for statistics that come, or are the running ones
  bool constant = false;  // mean and rstd do not depend on x: batch norm in evaluation
  std::int64_t count;     // values per channel

  // Checks the options for a map of this shape and type.
  Normalisation(const Shape& x, DType type, Device device, const NormOptions& options, const char* op);
  // In training, moves the running statistics of batch norm towards mean and rstd.
  void move_running_statistics(const NormOptions& options) const;
  // The gradients of the normalised and activated x with respect to x, gamma and beta, for record().
  std::vector<Input> inputs(const Tensor& x) const;
  // x with this normalisation left to whoever reads it.
  FeatureMap deferred(const Tensor& x) const;
};

}  // namespace voxgrad::detail

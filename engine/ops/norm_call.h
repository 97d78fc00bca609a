// What an immediate (ops/norm.cpp) and a deferred normalisation (conv_norm in ops/conv.cpp) have in common.
#pragma once

#include <vector>

#include "engine/ops/common.h"

namespace voxgrad::detail {

// A normalisation whose options were checked.
struct NormCall {
  FeatureMap map;         // without x; mean and rstd are the running statistics, or memory for those of a batch
  bool constant = false;  // mean and rstd do not depend on x, as for batch norm in evaluation
  std::int64_t count;     // number of values per channel

  // Checks the options for a map of this shape and type.
  NormCall(const Shape& x, DType type, Device device, const NormOptions& options, const char* op);
  // In training, moves the running statistics of batch norm towards mean and rstd.
  void move_running_statistics(const NormOptions& options) const;
  // The inputs for record(), with the gradients of the normalised and activated x with respect to x, gamma and beta.
  std::vector<Input> inputs(const Tensor& x) const;
  // x with this normalisation deferred.
  FeatureMap deferred(const Tensor& x) const;
};

}  // namespace voxgrad::detail

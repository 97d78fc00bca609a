// Convolutions by cuDNN, all in one file: its graph interface with one operation, in the memory order of this engine.
#pragma once

#include <cstdint>
#include <string>

#include "engine/backend.h"

namespace voxgrad::cuda {

enum class ConvPass { forward, input_gradient, weight_gradient };

// Writes y, x or weight, whichever the pass makes of the other two. False, and nothing written, if cuDNN has no
// engine for it that is deterministic, unless --fast allows others, and adds up in f32; f64 is always refused.
bool cudnn_conv(ConvPass pass, const Tensor& x, const Tensor& weight, const Tensor& y, const ConvOptions& options);

// The plan that would be made for another card, whose properties are given as cuDNN writes them (JSON). Needs no card.
struct PlanElsewhere {
  std::int64_t workspace;  // bytes; -1: refused
  std::string refusal;
};
PlanElsewhere plan_elsewhere(const std::string& card, ConvPass pass, DType type, const Shape& x, const Shape& weight,
                             const Shape& y, const ConvOptions& options, const Shortcuts& allowed);

// For tests and benchmarks: how many plans were made, and how many shapes were refused, the last one why.
struct CudnnPlans {
  std::int64_t made = 0, refused = 0;
  std::string last_refusal;
};
const CudnnPlans& cudnn_plans();

}  // namespace voxgrad::cuda

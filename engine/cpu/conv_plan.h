// Chooses the kernel of a convolution from the shape of the layer. The thresholds were measured (README.md, decision
// 5).
#pragma once

#include "engine/cpu/conv_shape.h"
#include "engine/cpu/inspect.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

enum class ConvKernel {
  gemm,      // patches times weights: any layer
  winograd,  // winograd.h: f32, 3x3 kernels with stride 1
  direct,    // direct.h: few input channels; forward and weight gradient
};

struct ConvPlan {
  ConvKernel kernel;
  const char* reason;
};

// The environment variable VOXGRAD_CONV=direct|winograd|gemm forces a kernel on every layer that it can compute; the
// others take the general path. Error(usage) for any other value.
ConvPlan plan_conv(ConvPass pass, DType dtype, const ConvShape& s);

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// Stands in for engine/cuda/cudnn_conv.cpp: refuses every convolution, so that the kernels of direct.cu do it.
#include "engine/cuda/cudnn_conv.h"

namespace voxgrad::cuda {

bool cudnn_conv(ConvPass, const Tensor&, const Tensor&, const Tensor&, const ConvOptions&) { return false; }

PlanElsewhere plan_elsewhere(const std::string&, ConvPass, DType, const Shape&, const Shape&, const Shape&,
                             const ConvOptions&, const Shortcuts&) {
  return {-1, "emulated"};
}

const CudnnPlans& cudnn_plans() {
  static const CudnnPlans none;
  return none;
}

}  // namespace voxgrad::cuda

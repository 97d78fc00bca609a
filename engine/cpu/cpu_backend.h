// The CPU backend of one instruction set. Which file implements what:
//   cpu_backend.cpp  memory, casts, boxes      elementwise.cpp  unary, binary
//   reduce.cpp       reductions                softmax.cpp      softmax, argmax
//   norm.cpp         normalisation             random.cpp       random tensors, dropout
//   gemm.cpp         matrix products           conv.cpp         convolution: the plan, im2col + GEMM
//   pool.cpp         maximum pooling           upsample.cpp     upsampling
//   step.cpp         optimiser steps           integrals.cpp    the integrals of the losses
//   distance.cpp     distance transform        rank.cpp         selection of the largest
//   lovasz.cpp       slopes by sorting         label.cpp        tables over labels
//   morphology.cpp   extremes of neighbours    hinge.cpp        hinge errors of the classes
//   objects.cpp      components, the nearest   skeleton.cpp     skeletons
//   segments.cpp     sums over numbered parts
//   stream.h         a feature map as a stream of full vectors
#pragma once

#include "engine/backend.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
  Device device() const override { return Device::cpu; }
  std::string description() const override;
  Pool& pool() override { return *pool_; }

#define VOXGRAD_PRIMITIVE(...) __VA_ARGS__ override;
#ifdef VOXGRAD_INFERENCE_ONLY
#define VOXGRAD_TRAINING_PRIMITIVE(...) __VA_ARGS__;
#endif
#include "engine/primitives.h"
#undef VOXGRAD_PRIMITIVE

  // The convolutions normalise their inputs as they load them.
  std::vector<FeatureMap> prepare(std::vector<FeatureMap> inputs) override { return inputs; }
#ifndef VOXGRAD_INFERENCE_ONLY
  void hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                    const Tensor& y) override;
  void hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                             const Tensor& y, const Tensor& dy, const Tensor& dlogits) override;
#endif

 private:
  std::unique_ptr<Pool> pool_;
};

std::unique_ptr<Backend> make_backend(std::unique_ptr<Pool> pool);

}  // namespace voxgrad::cpu::VOXGRAD_ISA

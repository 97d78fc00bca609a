// The CUDA backend. Which file implements what:
//   context.cpp      the card, its handles, memory     cuda_backend.cpp  factory, copies
//   memory.cu        fill, casts, boxes                elementwise.cu    unary, binary
//   reduce.cu        reductions, bias gradient         softmax.cu        softmax
//   gemm.cpp         matrix products (cuBLAS)          conv.cpp          convolution: the plan; cuDNN
//   direct.cu        convolutions without cuDNN        norm.cu           normalisation
//   pool.cu          maximum pooling                   upsample.cu       upsampling
//   random.cu        random tensors, dropout           step.cu           optimiser steps
//   integrals.cu     the integrals of the losses       label.cu          argmax, largest label, tables over labels
//   distance.cu      distance transform                rank.cu           selection and sorting
//   morphology.cu    minimum and maximum of neighbours  objects.cu     nearest components, sums over parts
//   small.cu         elementwise, sums and copies of a few numbers, which wait and run together
//   recording.cpp    work that is recorded as a CUDA graph
// Kernels are started by launch() of launch.h alone and use the device through device.h alone, so that the tests can
// run them on a processor. All work of the backend is queued on one stream, in the order of the calls.
#pragma once

#include "engine/backend.h"

namespace voxgrad::cuda {

class CudaBackend final : public Backend {
 public:
  Device device() const override { return Device::cuda; }
  std::string description() const override;
  Pool& pool() override;
  void synchronise() override;
  std::unique_ptr<Recording> capture(const std::function<void()>& work, std::size_t memory,
                                     std::string& refusal) override;
  void allow(const Shortcuts& wanted) override;
  Shortcuts allowed() const override;

#define VOXGRAD_PRIMITIVE(...) __VA_ARGS__ override;
#include "engine/primitives.h"
#undef VOXGRAD_PRIMITIVE

  // Inputs side by side: each is normalised into its channels of the one map.
  std::vector<FeatureMap> prepare(std::vector<FeatureMap> inputs) override;
  void check_labels(const Tensor& labels, std::int64_t classes, int ignore) override;
};

}  // namespace voxgrad::cuda

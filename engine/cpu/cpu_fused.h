// The fused primitives on the CPU of one instruction set: convolutions in conv.cpp, pooling in pool.cpp,
// hinge errors in hinge.cpp.
#pragma once

#include <memory>

#include "engine/fused_backend.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

class CpuFused final : public FusedBackend {
 public:
  std::vector<Reading> kept(std::vector<Reading> inputs) const override { return inputs; }
  void conv(const std::vector<Reading>& inputs, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
            const Tensor& y, const WantedStatistics& statistics) const override;
  void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                           const std::vector<Tensor>& dx) const override;
  void conv_weight_gradient(const std::vector<Reading>& inputs, const Tensor& dy, const ConvGeometry& geometry,
                            const Tensor& dweight) const override;
  void conv_transpose(const Reading& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
                      const Tensor& y) const override;
  void conv_transpose_weight_gradient(const Reading& x, const Tensor& dy, const ConvGeometry& geometry,
                                      const Tensor& dweight) const override;
  void max_pool(const Reading& x, const Extents& window, const Tensor& y, const Tensor& index) const override;
  void hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                    const Tensor& y) const override;
  void hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                             const Tensor& y, const Tensor& dy, const Tensor& dlogits) const override;
};

std::unique_ptr<FusedBackend> make_fused();

}  // namespace voxgrad::cpu::VOXGRAD_ISA

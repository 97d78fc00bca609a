// What a device may do in one pass that the primitives of backend.h do in several: convolutions and pooling that
// normalise and activate what they read, read two maps side by side, and gather the statistics of what they write; the
// hinge errors of a class, which come from two integrands.
// The functions here do it one after the other, with the primitives; a device that can do better overrides them.
#pragma once

#include <vector>

#include "engine/backend.h"

namespace voxgrad {

// A feature map as it is read: x itself, or, if mean is defined, what normalisation and activation make of it. mean and
// rstd are [M, G], as in Backend::norm.
struct Reading {
  Tensor x;
  Tensor mean = {}, rstd = {}, gamma = {}, beta = {};
  NormActivation activation = {};
  bool plain() const { return !mean.defined(); }
};

// As Backend::norm_statistics, of the result; mean undefined: none are wanted.
struct WantedStatistics {
  double eps = 0;
  Tensor mean = {}, rstd = {};
};

class FusedBackend {
 public:
  virtual ~FusedBackend() = default;
  // What a convolution of these inputs reads, and keeps for the gradient of its weights: the inputs themselves where
  // they are normalised as they are read, else the one map that is made of them.
  virtual std::vector<Reading> kept(std::vector<Reading> inputs) const;
  // Backend::conv of the readings side by side along the channels.
  virtual void conv(const std::vector<Reading>& inputs, const Tensor& weight, const Tensor& bias,
                    const ConvGeometry& geometry, const Tensor& y, const WantedStatistics& statistics) const;
  // dx: one tensor per input, side by side along the channels.
  virtual void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                                   const std::vector<Tensor>& dx) const;
  virtual void conv_weight_gradient(const std::vector<Reading>& inputs, const Tensor& dy, const ConvGeometry& geometry,
                                    const Tensor& dweight) const;
  // Transposed: y = Backend::conv_input_gradient(x, ..) + bias, and the gradient of its weights.
  virtual void conv_transpose(const Reading& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
                              const Tensor& y) const;
  virtual void conv_transpose_weight_gradient(const Reading& x, const Tensor& dy, const ConvGeometry& geometry,
                                              const Tensor& dweight) const;
  virtual void max_pool(const Reading& x, const Extents& window, const Tensor& y, const Tensor& index) const;

  // y [N, *S, C], of two channels [N, *S, 1], see hinge_errors() in ops.h. The difference of the rows is the log-odds.
  static std::vector<Integral> log_odds_rows();
  virtual void hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                            const Tensor& y) const;
  virtual void hinge_errors_gradient(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options,
                                     const Tensor& y, const Tensor& dy, const Tensor& dlogits) const;
};

FusedBackend& fused_backend_of(Device device);
// Factories, one per folder.
namespace cpu {
FusedBackend& fused_backend();
}
namespace cuda {
FusedBackend& fused_backend();  // where there is a card
}

// The readings as tensors of their own, side by side along the channels. One plain reading: itself.
Tensor materialised(const std::vector<Reading>& inputs);

}  // namespace voxgrad

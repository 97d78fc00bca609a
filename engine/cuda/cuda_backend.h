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
//   morphology.cu    minimum and maximum of neighbours
//   small.cu         elementwise, sums and copies of a few numbers, which wait and run together
//   fused.cpp        what is done in one pass instead of several (fused_backend.h)
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

  void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) override;
  void fill(const Tensor& y, double value) override;
  void cast(const Tensor& x, const Tensor& y) override;
  void copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin, const Shape& extents,
                bool add) override;
  void unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) override;
  void unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                      const Tensor& dx) override;
  void binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) override;
  void binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                       const Tensor& d) override;
  void reduce(ReduceOp op, const Tensor& x, const Tensor& y) override;
  void argmax(const Tensor& x, const Tensor& y) override;
  std::int64_t largest_label(const Tensor& labels, int ignore) override;
  void check_labels(const Tensor& labels, std::int64_t classes, int ignore) override;
  double sum_of_squares(const Tensor& x) override;
  void softmax(bool logarithm, const Tensor& x, const Tensor& y) override;
  void softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) override;
  void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y) override;
  void conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
            const Tensor& y) override;
  void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                           const Tensor& dx) override;
  void conv_weight_gradient(const Tensor& x, const Tensor& dy, const ConvGeometry& geometry,
                            const Tensor& dweight) override;
  void bias_gradient(const Tensor& dy, const Tensor& dbias) override;
  void max_pool(const Tensor& x, const Extents& window, const Tensor& y, const Tensor& index) override;
  void max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) override;
  void upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y) override;
  void upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx) override;
  void norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd) override;
  void norm(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma, const Tensor& beta,
            const NormActivation& activation, const Tensor& y) override;
  void norm_gradient(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma, const Tensor& beta,
                     const NormActivation& activation, const Tensor& dy, bool constant_statistics, const Tensor& dx,
                     const Tensor& dgamma, const Tensor& dbeta) override;
  void random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y) override;
  void dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key, const Tensor& y) override;
  Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                   const IntegrateOptions& options, bool keep, const Tensor& sums) override;
  void integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                          const IntegrateOptions& options, const Tensor& kept, const Tensor& dsums,
                          const Tensor& dlogits) override;
  void integrand(const Tensor& logits, const Tensor& labels, const Integral& row, const IntegrateOptions& options,
                 const Tensor& y) override;
  void lookup(const Tensor& table, const Tensor& labels, const Tensor& y) override;
  void distance(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                const Tensor& y) override;
  void neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y) override;
  void neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx) override;
  void select_largest(const Tensor& x, std::int64_t count, const Tensor& y) override;
  void lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore, const Tensor& y) override;
  void sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum, const Tensor& w) override;
  void adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first, const Tensor& second,
                 const Tensor& w) override;
  void lerp(const Tensor& x, double weight, const Tensor& y) override;
};

}  // namespace voxgrad::cuda

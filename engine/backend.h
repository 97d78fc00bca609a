// The boundary between operations and devices. An operation (engine/ops.h) checks, infers shapes, allocates and
// records; a backend only fills memory that is there. So every function here may assume that shapes, types and
// devices fit, and every output is already allocated. Outputs are overwritten unless the comment says "adds".
// Optional tensors are undefined tensors. x, y, dy .. are [N, *S, C] unless said otherwise, floats of one dtype.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/functors.h"
#include "engine/integrands.h"
#include "engine/memory.h"
#include "engine/tensor.h"

namespace voxgrad {

enum class ReduceOp { sum, max, min };
enum class Activation { none, relu, leaky_relu };
enum class Upsampling { nearest, linear };
enum class Distribution { uniform, normal };

struct ConvGeometry {
  Extents stride = 1;
  Extents padding = 0;  // zeros added before and after each spatial axis
  Extents dilation = 1;
};

// y = activation((x - mean) * rstd * gamma + beta); slope is that of the leaky ReLU below zero.
struct NormActivation {
  Activation kind = Activation::none;
  double slope = 0.01;
};

struct IntegrateOptions {
  int ignore = -1;           // label whose voxels are left out of every sum; -1: none
  double temperature = 1.0;  // p = softmax(temperature * z)
};

// One row of integrate(). `weights` is f64 [C], one per class, or [C, C], one per label (row) and class, or undefined
// (ones); one sigmoid channel counts as two classes, label 0 and label 1.
// `field` has the dtype of the logits and is [N, *S, C] or [N, *S, 1] or undefined (ones).
struct Integral {
  Integrand kind;
  double a = 0;
  Tensor weights = {};
  Tensor field = {};
};

struct SgdStep {
  double lr, momentum, weight_decay, gradient_scale;
  bool nesterov, first;  // first: the momentum buffer is set to the gradient
};
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay, gradient_scale;
  bool decoupled;      // AdamW
  std::int64_t count;  // 1 at the first step: bias correction
};

// What a device may do to be faster.
struct Shortcuts {
  bool tf32 = false;  // round the factors of f32 products to TF32, 10 bits of mantissa
  bool fast = false;  // add up in an order that changes from call to call, and with it the last bits
};

// What work was queued, to be queued again as one piece: the same kernels with the same arguments on the same memory.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
  virtual std::int64_t size() const = 0;  // kernels, copies and fills
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual std::string description() const = 0;  // "CPU, AVX-512, OpenBLAS SkylakeX"
  virtual Pool& pool() = 0;
  virtual void synchronise() {}
  // Records what work() would run, and runs nothing. `memory`: bytes that it will want, about. It must leave no tensor
  // behind: results go to memory that was there before. Null if that cannot be recorded, and `refusal` says why:
  // because the device runs everything at once, or work() wants to see a number on the host, or draws random ones.
  virtual std::unique_ptr<Recording> capture(const std::function<void()>& work, std::size_t memory,
                                             std::string& refusal);
  // From now on. Error(usage) for a shortcut that the device does not have.
  virtual void allow(const Shortcuts& wanted);
  virtual Shortcuts allowed() const { return {}; }

  // Memory. One side of a copy may be the host.
  virtual void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) = 0;
  virtual void fill(const Tensor& y, double value) = 0;
  virtual void cast(const Tensor& x, const Tensor& y) = 0;  // any element type to any other; floats to ints truncate
  // Copies the box [x_begin, x_begin + extents) of x onto [y_begin, ..) of y; same number of axes. add: y += x.
  virtual void copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                        const Shape& extents, bool add) = 0;

  // Elementwise. Gradients: dx = dy * df/dx. Binary operands broadcast (numpy rule) to the shape of y.
  virtual void unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y) = 0;
  virtual void unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y, const Tensor& dy,
                              const Tensor& dx) = 0;
  virtual void binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y) = 0;  // y may be p
  // side 0: d = dy * df/dp, side 1: d = dy * df/dq, in the broadcast shape.
  virtual void binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                               const Tensor& d) = 0;

  // Reductions. y has the axes of x, with extent 1 where reduced. Sums accumulate in f64.
  virtual void reduce(ReduceOp op, const Tensor& x, const Tensor& y) = 0;
  virtual void argmax(const Tensor& x, const Tensor& y) = 0;                 // last axis; y u8 [N, *S]; first maximum
  virtual std::int64_t largest_label(const Tensor& labels, int ignore) = 0;  // u8; -1 if there is none
  // Error(data) for a label that is neither below `classes` nor `ignore`. A device that works behind the host's back
  // may say so later: with the next number that is read from it.
  virtual void check_labels(const Tensor& labels, std::int64_t classes, int ignore);
  virtual double sum_of_squares(const Tensor& x) = 0;  // on the host; NaN and Inf survive

  // Rows of the last axis.
  virtual void softmax(bool logarithm, const Tensor& x, const Tensor& y) = 0;
  virtual void softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx) = 0;

  // y [m, n] = a [m, k] b [k, n]; a is stored [k, m] if transpose_a, b [n, k] if transpose_b.
  virtual void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y) = 0;

  // Convolution. weight [Cout, *K, Cin]; bias [Cout] or undefined. One, two or three spatial axes.
  virtual void conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
                    const Tensor& y) = 0;
  virtual void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                                   const Tensor& dx) = 0;
  virtual void conv_weight_gradient(const Tensor& x, const Tensor& dy, const ConvGeometry& geometry,
                                    const Tensor& dweight) = 0;
  // dbias [C] = sum of dy over everything but the channel.
  virtual void bias_gradient(const Tensor& dy, const Tensor& dbias) = 0;

  // Windows of `window` voxels, stride = window, rest at the end dropped. `index` u8, like y: which voxel of the
  // window.
  virtual void max_pool(const Tensor& x, const Extents& window, const Tensor& y, const Tensor& index) = 0;
  virtual void max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window, const Tensor& dx) = 0;
  // Extents of y = extents of x * scale. Linear: corners not aligned (PyTorch align_corners=False), edges clamped.
  virtual void upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y) = 0;
  virtual void upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx) = 0;

  // Normalisation. x is read as [M, R, C]; mean and rstd are [M, G]: M = N and G = C (instance), G groups of C / G
  // consecutive channels (group), M = 1 and G = C (batch). variance is the biased one; rstd = 1 / sqrt(variance + eps).
  virtual void norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd) = 0;
  virtual void norm(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma, const Tensor& beta,
                    const NormActivation& activation, const Tensor& y) = 0;
  // constant_statistics: mean and rstd do not depend on x (batch norm in evaluation). Any output may be undefined.
  virtual void norm_gradient(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma,
                             const Tensor& beta, const NormActivation& activation, const Tensor& dy,
                             bool constant_statistics, const Tensor& dx, const Tensor& dgamma, const Tensor& dbeta) = 0;

  // Element i is a pure function of (key, i). uniform on (a, b); normal with mean a and standard deviation b.
  virtual void random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y) = 0;
  // y = x * mask / (1 - probability); the mask is a function of (key, element), or of (key, sample, channel).
  // Its own gradient: call it again on dy.
  virtual void dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key, const Tensor& y) = 0;

  // Losses (engine/integrands.h). labels u8 [N, *S], all < max(C, 2) or ignored; sums f64 [rows, N, C].
  // keep: a gradient will be asked for, with the result as `kept`. What it holds is the backend's affair, such as the
  // probabilities; undefined if nothing.
  virtual Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                           const IntegrateOptions& options, bool keep, const Tensor& sums) = 0;
  virtual void integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                  const IntegrateOptions& options, const Tensor& kept, const Tensor& dsums,
                                  const Tensor& dlogits) = 0;

  // One row before it is added up: y [N, *S, C] ([N, *S, 1] in scope truth), 0 at ignored voxels. Its gradient is
  // integrate_gradient with the upstream gradient as the field of the row: a row is linear in its field.
  virtual void integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                         const IntegrateOptions& options, const Tensor& y) = 0;

  // Labels u8 [N, *S]. y [N, *S, K] = table[label], table f64 [L, K]; zeros for a label >= L.
  virtual void lookup(const Tensor& table, const Tensor& labels, const Tensor& y) = 0;
  // y f32|f64 [N, *S, K]: the exact Euclidean distance of every voxel to the nearest one on the other side of class
  // classes[k], 0 everywhere if there is no other side. No classes: K = 1, to the nearest voxel with another label.
  virtual void distance(const Tensor& labels, const std::vector<int>& classes, const std::vector<double>& spacing,
                        const Tensor& y) = 0;
  // The minimum or maximum of a voxel and its two neighbours along a spatial axis of [N, *S, C].
  virtual void neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y) = 0;
  // To the first of equal ones.
  virtual void neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx) = 0;

  // Ranks. y = 1 at the `count` largest elements of x, else 0; of equal ones the first are taken.
  virtual void select_largest(const Tensor& x, std::int64_t count, const Tensor& y) = 0;
  // y: the slope of the Lovasz extension of the Jaccard loss at errors [N, *S, C], per class over the batch, or
  // per_image. C = 1: of label 1. Ignored voxels: 0.
  virtual void lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore,
                            const Tensor& y) = 0;

  // Optimiser steps, in place, over a flat buffer. The gradient is multiplied by gradient_scale first.
  virtual void sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum, const Tensor& w) = 0;
  virtual void adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first, const Tensor& second,
                         const Tensor& w) = 0;
  virtual void lerp(const Tensor& x, double weight, const Tensor& y) = 0;  // y += weight * (x - y)
};

// What check_labels() throws.
Error label_error(std::int64_t label, std::int64_t classes);

// The backend of a device; one each, made at the first call. Error(usage) if this build or machine has none.
Backend& backend_of(Device device);
bool has_device(Device device);

// Factories, one per folder.
Backend& cpu_backend();
Backend& cuda_backend();  // engine/cuda, or engine/cuda/absent.cpp in a build without CUDA
bool cuda_available();
std::string cuda_description();  // why there is none, or the card

}  // namespace voxgrad

// The options that both operations (engine/ops.h) and devices (engine/backend.h) take.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/tensor.h"

namespace voxgrad {

enum class ReduceOp { sum, max, min };
enum class Activation { none, relu, leaky_relu };
enum class Upsampling { nearest, linear };
enum class Distribution { uniform, normal };
enum class Integrand : int;  // engine/integrands.h

// The factor of an activation for negative numbers: 1 without an activation, 0 for relu, `slope` for leaky_relu.
inline double slope_of(Activation activation, double slope) {
  return activation == Activation::none ? 1 : activation == Activation::relu ? 0 : slope;
}

struct ConvOptions {
  Extents stride = 1;
  Extents padding = 0;  // number of zeros added before and after each spatial axis
  Extents dilation = 1;
  bool f32_output = false;  // the result of maps in bf16, and with it the bias, is f32
};

// A feature map [N, *S, C], with its normalisation and activation possibly deferred. If `mean` is defined, the
// operation that reads the map computes activation((x - mean) * rstd * gamma + beta) while it loads x. So a layer
// writes the result of its convolution once, and the normalised map is never stored. The statistics are [M, G] as in
// Backend::norm.
struct FeatureMap {
  Tensor x;                                            // its node in the graph is that of the activated values
  Tensor mean = {}, rstd = {}, gamma = {}, beta = {};  // gamma and beta are [C] or undefined, which means 1 and 0
  Activation activation = Activation::none;
  double slope = 0.01;  // the factor of leaky_relu below zero

  FeatureMap() = default;
  FeatureMap(Tensor values) : x(std::move(values)) {}  // NOLINT: implicit, because every tensor is a plain map
  bool deferred() const { return mean.defined(); }
  const Shape& shape() const { return x.shape(); }
  double slope_below_zero() const { return slope_of(activation, slope); }
  FeatureMap detach() const;  // the same map without a graph
  Tensor tensor() const;      // the values after normalisation and activation; x itself if nothing is deferred
};

struct IntegrateOptions {
  int ignore = -1;           // the label of voxels that no sum counts; -1 if there is none
  double temperature = 1.0;  // p = softmax(temperature * z)
};

// One row of integrate(). `weights` is f64: [C], one per class, or [C, C], one per label (row) and class; undefined
// means ones. One sigmoid channel counts as two classes, label 0 and label 1. `field` has the dtype of the logits and
// is [N, *S, C] or [N, *S, 1]; undefined means ones.
struct Integral {
  Integrand kind;
  double a = 0;
  Tensor weights = {};
  Tensor field = {};
};

struct SgdStep {
  double lr, momentum, weight_decay, gradient_scale;
  bool nesterov, first;  // in the first step the momentum buffer is set to the gradient
};
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay, gradient_scale;
  bool decoupled;      // AdamW
  std::int64_t count;  // number of this step, from 1, for the bias correction
};

// Rounding and ordering that a device may change to be faster.
struct Shortcuts {
  bool tf32 = false;  // rounds the f32 factors of products to TF32, which has 10 bits of mantissa
  bool fast = false;  // adds sums in an order that may change from call to call, and with it the last bits
};

}  // namespace voxgrad

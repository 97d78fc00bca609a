// The operations on tensors: free functions, eager, differentiable unless said otherwise.
// Shapes: feature maps are [N, *S, C] with one to three spatial axes; C is contiguous. Both operands of an operation
// have the same dtype and device. Every function checks its arguments and throws Error(argument) with the values.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/autograd.h"
#include "engine/options.h"

namespace voxgrad {

// --- Elementwise (engine/functors.h has the formulas and derivatives) ---
Tensor affine(const Tensor& x, double scale, double shift);  // scale * x + shift
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor abs(const Tensor& x);  // gradient 0 at 0
Tensor reciprocal(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor softplus(const Tensor& x);  // log(1 + e^x), no overflow
Tensor relu(const Tensor& x);      // gradient 0 at 0
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
Tensor pow(const Tensor& x, double exponent);
Tensor safe_pow(const Tensor& x, double exponent);  // max(x, 0)^exponent with gradient 0 where x <= 0
Tensor clamp(const Tensor& x, double low, double high);
Tensor log_cosh(const Tensor& x);
Tensor cast(const Tensor& x, DType dtype);  // between types of floats

// Two operands, broadcast by the numpy rule.
Tensor add(const Tensor& p, const Tensor& q);
Tensor subtract(const Tensor& p, const Tensor& q);
Tensor multiply(const Tensor& p, const Tensor& q);
Tensor divide(const Tensor& p, const Tensor& q);
Tensor minimum(const Tensor& p, const Tensor& q);  // at a tie the gradient goes to p
Tensor maximum(const Tensor& p, const Tensor& q);

inline Tensor operator+(const Tensor& p, const Tensor& q) { return add(p, q); }
inline Tensor operator-(const Tensor& p, const Tensor& q) { return subtract(p, q); }
inline Tensor operator*(const Tensor& p, const Tensor& q) { return multiply(p, q); }
inline Tensor operator/(const Tensor& p, const Tensor& q) { return divide(p, q); }
inline Tensor operator+(const Tensor& x, double s) { return affine(x, 1, s); }
inline Tensor operator+(double s, const Tensor& x) { return affine(x, 1, s); }
inline Tensor operator-(const Tensor& x, double s) { return affine(x, 1, -s); }
inline Tensor operator-(double s, const Tensor& x) { return affine(x, -1, s); }
inline Tensor operator*(const Tensor& x, double s) { return affine(x, s, 0); }
inline Tensor operator*(double s, const Tensor& x) { return affine(x, s, 0); }
inline Tensor operator/(const Tensor& x, double s) { return affine(x, 1 / s, 0); }
inline Tensor operator/(double s, const Tensor& x) { return affine(reciprocal(x), s, 0); }
inline Tensor operator-(const Tensor& x) { return affine(x, -1, 0); }
// x += y is x = x + y: the handle gets a new tensor, so that graphs which need the old one, and other handles, keep it.
inline Tensor& operator+=(Tensor& x, const Tensor& y) { return x = x + y; }
inline Tensor& operator-=(Tensor& x, const Tensor& y) { return x = x - y; }
inline Tensor& operator*=(Tensor& x, const Tensor& y) { return x = x * y; }
inline Tensor& operator/=(Tensor& x, const Tensor& y) { return x = x / y; }
inline Tensor& operator+=(Tensor& x, double s) { return x = x + s; }
inline Tensor& operator-=(Tensor& x, double s) { return x = x - s; }
inline Tensor& operator*=(Tensor& x, double s) { return x = x * s; }
inline Tensor& operator/=(Tensor& x, double s) { return x = x / s; }

// --- Reductions. No axes: all of them. keep: reduced axes stay with extent 1. Sums accumulate in f64. ---
Tensor sum(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor mean(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor max(const Tensor& x, std::vector<int> axes = {}, bool keep = false);  // gradient shared equally among ties
Tensor min(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor sum_to(const Tensor& x, const Shape& shape);  // undoes a broadcast: sums x to `shape`
Tensor argmax(const Tensor& x);                      // last axis, u8, first maximum; no gradient

// --- Shape ---
Tensor reshape(const Tensor& x, const Shape& shape);  // same number of elements
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);
Tensor concat(const std::vector<Tensor>& parts, int axis);
// Axis i of the result is axis axes[i] of x: permute(x, {0, 2, 3, 1}) brings [N, C, H, W] to [N, H, W, C]. transpose
// exchanges two axes. Both copy on the host: they prepare images and weights and are no part of a fast network.
Tensor permute(const Tensor& x, const std::vector<int>& axes);
Tensor transpose(const Tensor& x, int a = -2, int b = -1);

// --- Products ---
// [m, k] x [k, n] -> [m, n]; a transposed operand is stored the other way round.
struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

// --- Convolution and pooling ---
// x [N, *S, Cin], weight [Cout, *K, Cin], bias [Cout] or undefined -> [N, *S', Cout],
// S' = (S + 2 padding - dilation (K - 1) - 1) / stride + 1, rounded down. A cross-correlation, as in every framework.
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
// The same of several maps side by side along the channels, which all have the same extents.
Tensor conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias = {},
            const ConvOptions& options = {});
// The transpose of conv with the same options: x [N, *S, Cin], weight [Cin, *K, Cout] -> [N, *S', Cout],
// S' = (S - 1) stride - 2 padding + dilation (K - 1) + 1.
Tensor conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias = {},
                      const ConvOptions& options = {});

// Maximum over windows with stride = window; a rest at the end is dropped. Gradient to the first maximum.
Tensor max_pool(const FeatureMap& x, const Extents& window = 2);
Tensor upsample(const Tensor& x, Upsampling kind, const Extents& scale = 2);

// --- Normalisation, with an activation in the same pass ---
// y = activation((x - mean) / sqrt(variance + eps) * gamma + beta), statistics per sample and group, or per channel.
struct NormOptions {
  std::int64_t groups = 0;       // group norm over C / groups channels; C: instance norm; 1: layer norm; 0: batch norm
  Tensor gamma = {}, beta = {};  // [C] or undefined, which means 1 and 0; f32 for maps in bf16, as statistics are
  double eps = 1e-5;
  Activation activation = Activation::none;
  double slope = 0.01;  // of leaky_relu below zero
  // Batch norm only. In training the statistics are those of the batch, and the running ones [C] are moved towards them
  // by `momentum` (unbiased variance, as in PyTorch); else the running ones are used.
  Tensor running_mean = {}, running_var = {};
  bool training = true;
  double momentum = 0.1;
};
Tensor normalise(const Tensor& x, const NormOptions& options);
// normalise(conv(inputs, ..)), deferred: the raw convolution is stored, its statistics are gathered while it is
// written, and whoever reads the result normalises it while loading. Values and gradients are the same up to rounding.
FeatureMap conv_norm(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                     const ConvOptions& options, const NormOptions& norm);

// --- Random ---
// Zeroes elements (or whole channels of a sample) with `probability`, scales the rest by 1 / (1 - probability).
Tensor dropout(const Tensor& x, double probability, std::uint64_t key, bool channelwise = false);
Tensor random_uniform(const Shape& shape, std::uint64_t key, double low = 0, double high = 1, DType dtype = DType::f32,
                      Device device = Device::cpu);
Tensor random_normal(const Shape& shape, std::uint64_t key, double mean = 0, double deviation = 1,
                     DType dtype = DType::f32, Device device = Device::cpu);

// --- Probabilities: rows of the last axis ---
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

// --- Integrals of a loss ---
// sums[k, n, c] = sum over the voxels i of f_k(p[n,i,c], t[n,i,c], w_k[n,i,c]), p = softmax(logits), sigmoid if C = 1.
// logits f32|f64 [N, *S, C]; labels u8 [N, *S]; result f64 [rows.size(), N, C]. One pass forward, one backward.
// Weights and fields get no gradient. Error if a label is neither < max(C, 2) nor options.ignore.
Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                 const IntegrateOptions& options = {});
// The integrand itself, for losses that rank voxels: [N, *S, C], or [N, *S, 1] in scope truth, of the dtype of the
// logits; 0 at ignored voxels.
Tensor integrand(const Tensor& logits, const Tensor& labels, const Integral& row, const IntegrateOptions& options = {});
// max(0, 1 - s (2 t - 1)) with s = log p - log(1 - p), the log-odds of every class against the rest, p and t as in
// integrate(): [N, *S, C] of the dtype of the logits; of two channels, whose errors are the same, [N, *S, 1]. 1 at
// ignored voxels, without a gradient.
Tensor hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options = {});

// --- Labels u8 [N, *S]. No gradient ---
// table f64 [L, K] -> [N, *S, K], the row of each voxel's label; zeros for a label >= L. A unit matrix gives one-hot.
Tensor lookup(const Tensor& table, const Tensor& labels, DType dtype = DType::f32);
// The exact Euclidean distance from the centre of a voxel to that of the nearest one on the other side of a class:
// with that label for a voxel outside, with another for one inside. [N, *S, K] for K classes, in the unit of `spacing`
// (per spatial axis; empty: 1); 0 everywhere if there is no other side. Without classes [N, *S, 1]: to the nearest
// voxel with any other label. The border of the image is no other side. Linear in the number of voxels. Exact if the
// spacings are multiples of one length, else to the last two digits of the type.
Tensor distance_transform(const Tensor& labels, const std::vector<int>& classes,
                          const std::vector<double>& spacing = {}, DType dtype = DType::f32);

// --- Neighbourhoods: the maximum or minimum of a voxel and its two neighbours along each of the axes, one after the
// other; axes count as in x [N, *S, C]. All spatial axes make a cube, one a line. Gradient to the first of equals. ---
Tensor dilate(const Tensor& x, const std::vector<int>& axes);
Tensor erode(const Tensor& x, const std::vector<int>& axes);

// --- Ranks. No gradient ---
// 1 at the `count` largest elements, else 0; the first of equal ones are taken. NaN counts as largest.
Tensor select_largest(const Tensor& x, std::int64_t count);
// With the errors of a class in decreasing order, sum_i errors_i slope_i is the Lovasz extension of the Jaccard loss
// (Berman et al., CVPR 2018, Eq. 9) and `slope` its derivative. errors [N, *S, C], classes one against the rest over
// the whole batch or per image; C = 1 is label 1. 0 at ignored voxels.
Tensor lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image = false, int ignore = -1);

}  // namespace voxgrad

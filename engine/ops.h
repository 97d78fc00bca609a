// The operations on tensors. They are free functions that compute at once, and have a gradient unless a comment says
// otherwise. Feature maps are [N, *S, C] with one to three spatial axes. Both operands of an operation have the same
// dtype and device. Every function checks its arguments and throws Error(argument) with the values.
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
Tensor softplus(const Tensor& x);  // log(1 + e^x), without overflow
Tensor relu(const Tensor& x);      // gradient 0 at 0
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
Tensor pow(const Tensor& x, double exponent);
Tensor safe_pow(const Tensor& x, double exponent);  // max(x, 0)^exponent with gradient 0 where x <= 0
Tensor clamp(const Tensor& x, double low, double high);
Tensor log_cosh(const Tensor& x);
Tensor cast(const Tensor& x, DType dtype);  // from one type of floats to another

// Operations of two operands, which are broadcast by the numpy rule.
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
// x += y is x = x + y, for a tensor or a number y: the handle gets a new tensor. A graph that needs the old one, and
// other handles, are not affected.
inline Tensor& operator+=(Tensor& x, const auto& y) { return x = x + y; }
inline Tensor& operator-=(Tensor& x, const auto& y) { return x = x - y; }
inline Tensor& operator*=(Tensor& x, const auto& y) { return x = x * y; }
inline Tensor& operator/=(Tensor& x, const auto& y) { return x = x / y; }

// --- Reductions, over all axes if none are given. With `keep`, a reduced axis stays with extent 1. Sums accumulate in
// f64. ---
Tensor sum(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor mean(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
// Equal extremes share the gradient equally.
Tensor max(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor min(const Tensor& x, std::vector<int> axes = {}, bool keep = false);
Tensor sum_to(const Tensor& x, const Shape& shape);  // sums x to `shape`, from which it could have been broadcast

// --- Rows of the last axis ---
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);
Tensor argmax(const Tensor& x);  // the index of the first maximum, as u8, for at most 256 channels; no gradient

// --- Shape ---
Tensor reshape(const Tensor& x, const Shape& shape);  // same number of elements
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);
Tensor concat(const std::vector<Tensor>& parts, int axis);
// Axis i of the result is axis axes[i] of x: permute(x, {0, 2, 3, 1}) turns [N, C, H, W] into [N, H, W, C]. transpose
// exchanges two axes. Both copy on the host (not bf16): they serve to prepare images and weights, not inside a network.
Tensor permute(const Tensor& x, const std::vector<int>& axes);
Tensor transpose(const Tensor& x, int a = -2, int b = -1);

// --- Products ---
// [m, k] x [k, n] -> [m, n]. An operand with its transpose option set is stored with its two axes exchanged.
struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

// --- Convolution and pooling ---
// x [N, *S, Cin], weight [Cout, *K, Cin], bias [Cout] or undefined -> [N, *S', Cout],
// S' = (S + 2 padding - dilation (K - 1) - 1) / stride + 1, rounded down. Like every framework, it does not flip the
// kernel.
Tensor conv(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const ConvOptions& options = {});
// The convolution of several maps of the same extents, as if they were concatenated along the channels.
Tensor conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias = {},
            const ConvOptions& options = {});
// The transpose of conv with the same options: x [N, *S, Cin], weight [Cin, *K, Cout] -> [N, *S', Cout],
// S' = (S - 1) stride - 2 padding + dilation (K - 1) + 1.
Tensor conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias = {},
                      const ConvOptions& options = {});

// The maximum of each window; the stride equals the window, and voxels that do not fill one at the end are dropped. The
// first maximum of a window receives the gradient.
Tensor max_pool(const FeatureMap& x, const Extents& window = 2);
// Extents times `scale`. Linear interpolation is that of PyTorch with align_corners=False.
Tensor upsample(const Tensor& x, Upsampling kind, const Extents& scale = 2);

// --- Normalisation, with an activation in the same pass ---
// y = activation((x - mean) / sqrt(variance + eps) * gamma + beta), statistics per sample and group, or per channel.
struct NormOptions {
  // 0 means batch norm, C instance norm, 1 layer norm; other numbers mean groups of C / groups channels.
  std::int64_t groups = 0;
  Tensor gamma = {}, beta = {};  // [C] or undefined, which means 1 and 0; f32 for maps in bf16, as statistics are
  double eps = 1e-5;
  Activation activation = Activation::none;
  double slope = 0.01;  // the factor of leaky_relu below zero
  // These are for batch norm only. In training the statistics are those of the batch, and the running ones [C] move
  // towards them by `momentum` (with the unbiased variance, as in PyTorch); in evaluation the running ones are used.
  Tensor running_mean = {}, running_var = {};
  bool training = true;
  double momentum = 0.1;
};
Tensor normalise(const Tensor& x, const NormOptions& options);
// normalise(conv(inputs, ..)) with the normalisation deferred: the convolution is stored, its statistics are computed
// while it is written, and the operation that reads the result normalises it while loading. Values and gradients are
// the same up to rounding.
FeatureMap conv_norm(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                     const ConvOptions& options, const NormOptions& norm);

// --- Random ---
// Sets elements (channelwise: whole channels of a sample) to zero with `probability`, and multiplies the others by
// 1 / (1 - probability).
Tensor dropout(const Tensor& x, double probability, std::uint64_t key, bool channelwise = false);
Tensor random_uniform(const Shape& shape, std::uint64_t key, double low = 0, double high = 1, DType dtype = DType::f32,
                      Device device = Device::cpu);
Tensor random_normal(const Shape& shape, std::uint64_t key, double mean = 0, double deviation = 1,
                     DType dtype = DType::f32, Device device = Device::cpu);

// --- Integrals of a loss ---
// sums[k, n, c] = sum over the voxels i of f_k(p[n,i,c], t[n,i,c], w_k[n,i,c]), p = softmax(logits), sigmoid if C = 1.
// logits are f32 or f64 [N, *S, C], labels u8 [N, *S], the result f64 [rows.size(), N, C]. Forward and backward read
// the logits once each. Weights and fields get no gradient. Error(data) if a label is neither < max(C, 2) nor
// options.ignore.
Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                 const IntegrateOptions& options = {});
// The integrand itself, for losses that rank voxels. It is [N, *S, C], or [N, *S, 1] in scope truth, has the dtype of
// the logits, and is 0 at ignored voxels.
Tensor integrand(const Tensor& logits, const Tensor& labels, const Integral& row, const IntegrateOptions& options = {});
// max(0, 1 - s (2 t - 1)) with s = log p - log(1 - p), the log-odds of every class against the rest, and p and t as in
// integrate(). The result is [N, *S, C] with the dtype of the logits; for two channels, whose errors are the same, it
// is [N, *S, 1]. At ignored voxels it is 1 and has no gradient.
Tensor hinge_errors(const Tensor& logits, const Tensor& labels, const IntegrateOptions& options = {});

// --- Labels u8 [N, *S], without a gradient ---
// The row of the table, f64 [L, K], that belongs to the label of each voxel: [N, *S, K]. A label >= L gives zeros. With
// a unit matrix as the table the result is one-hot.
Tensor lookup(const Tensor& table, const Tensor& labels, DType dtype = DType::f32);
// The exact Euclidean distance from the centre of a voxel to that of the nearest voxel on the other side of a class:
// for a voxel outside of the class one inside, for a voxel inside one outside. The result is [N, *S, K] for K classes,
// in the unit of `spacing` (per spatial axis, or that of each sample after the other; empty means 1), and 0 if there is
// no other side. Without classes it is [N, *S, 1], the distance to the nearest voxel with another label. The border of
// the image does not count as another side. The time is linear in the number of voxels. The result is exact if the
// spacings are multiples of one length, and else correct up to the last two digits of the type.
Tensor distance_transform(const Tensor& labels, const std::vector<int>& classes,
                          const std::vector<double>& spacing = {}, DType dtype = DType::f32);

// The connected components of every class, i32 [N, *S, K]: numbers from 1 in the order of their first voxels, 0 outside
// of the class. Neighbours differ by one along at most `connectivity` axes (1: faces); 0 means all axes.
Tensor connected_components(const Tensor& labels, const std::vector<int>& classes, int connectivity = 0);
// For every voxel the id, i32 [N, *S, K], of the nearest voxel whose id is not 0: the cell of a component. Distances
// are exact, as in distance_transform; among equally near voxels the smallest id wins.
Tensor nearest_component(const Tensor& ids, const std::vector<double>& spacing = {});
// The skeleton of the voxels that are not 0, u8 [N, *S]: lines of one voxel with the same connectivity. It is that of
// skimage.morphology.skeletonize (0.26), voxel for voxel: Zhang and Suen 1984 for images, Lee et al. 1994 for volumes,
// where some blocks of few voxels vanish.
Tensor skeleton(const Tensor& mask);

// The sums of x [N, *S, K or 1] over the voxels of each segment, f64 [N, segments, K]. ids are i32 [N, *S, K]; a voxel
// whose id is not in [0, segments) is left out. Differentiable with respect to x.
Tensor segment_sum(const Tensor& x, const Tensor& ids, std::int64_t segments);

// --- Neighbourhoods: the maximum or minimum of a voxel and its two neighbours along each of the given axes of x
// [N, *S, C], one axis after the other. All spatial axes together make a cube, one axis makes a line. Among equal
// values the first one receives the gradient. A NaN stays. ---
Tensor dilate(const Tensor& x, const std::vector<int>& axes);
Tensor erode(const Tensor& x, const std::vector<int>& axes);

// --- Ranks, without a gradient ---
// 1 at the `count` largest elements and 0 elsewhere; among equal ones the first count as larger, and NaN as the
// largest.
Tensor select_largest(const Tensor& x, std::int64_t count);
// With the errors of a class in decreasing order, sum_i errors_i slope_i is the Lovasz extension of the Jaccard loss
// (Berman et al., CVPR 2018, Eq. 9) and `slope` its derivative. errors are [N, *S, C]. Each class is compared with the
// rest, over the whole batch or per image; with C = 1 the class is label 1. The slope is 0 at ignored voxels.
Tensor lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image = false, int ignore = -1);

}  // namespace voxgrad

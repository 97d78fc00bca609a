// The primitives that every device implements, one declaration each. This file is included by backend.h, where they
// become pure virtual functions, and by the header of each backend, where they become its overrides.
//
// An operation (engine/ops.h) checks its arguments, infers shapes, allocates and records; a primitive only fills memory
// that is there. So it may assume that shapes, types and devices fit. Outputs come last and are overwritten, unless the
// comment says that they are added to. An optional tensor may be undefined. x, y, dy .. are [N, *S, C] unless said
// otherwise, and floats of one dtype.

#ifdef VOXGRAD_PRIMITIVE  // elsewhere this file declares nothing

// --- Memory. One side of a copy may be the host. ---
VOXGRAD_PRIMITIVE(void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes))
VOXGRAD_PRIMITIVE(void fill(const Tensor& y, double value))
// From any element type to any other; floats to integers truncate.
VOXGRAD_PRIMITIVE(void cast(const Tensor& x, const Tensor& y))
// Copies the box [x_begin, x_begin + extents) of x onto [y_begin, ..) of y; same number of axes. add: y += x.
VOXGRAD_PRIMITIVE(void copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                                const Shape& extents, bool add))

// --- Elementwise. Gradients: dx = dy * df/dx. Binary operands broadcast by the numpy rule to the shape of y. ---
VOXGRAD_PRIMITIVE(void unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y))
VOXGRAD_PRIMITIVE(void unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y,
                                      const Tensor& dy, const Tensor& dx))
VOXGRAD_PRIMITIVE(void binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y))  // y may be p
// side 0: d = dy * df/dp, side 1: d = dy * df/dq, in the broadcast shape.
VOXGRAD_PRIMITIVE(void binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q, const Tensor& dy,
                                       const Tensor& d))

// --- Reductions. y has the axes of x, with extent 1 where reduced. Sums accumulate in f64. ---
VOXGRAD_PRIMITIVE(void reduce(ReduceOp op, const Tensor& x, const Tensor& y))
VOXGRAD_PRIMITIVE(void argmax(const Tensor& x, const Tensor& y))  // last axis; y u8 [N, *S]; first maximum
VOXGRAD_PRIMITIVE(std::int64_t largest_label(const Tensor& labels, int ignore))  // u8; -1 if there is none
VOXGRAD_PRIMITIVE(double sum_of_squares(const Tensor& x))                        // on the host; NaN and Inf survive

// --- Rows of the last axis ---
VOXGRAD_PRIMITIVE(void softmax(bool logarithm, const Tensor& x, const Tensor& y))
VOXGRAD_PRIMITIVE(void softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx))

// y [m, n] = a [m, k] b [k, n]; a is stored [k, m] if transpose_a, b [n, k] if transpose_b.
VOXGRAD_PRIMITIVE(void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y))

// --- Convolution and pooling. These six have a body in Backend (engine/composed.cpp), which does one step after the
// other. A device implements at least the plainest call (one map, nothing deferred, no statistics, one dx) and passes
// on to that body what it cannot do in one pass. ---
// Of the maps side by side along the channels. weight [Cout, *K, Cin]; bias [Cout] or undefined; one to three spatial
// axes. If `mean` is defined, mean and rstd [M, G] receive the statistics of y, as from norm_statistics.
VOXGRAD_PRIMITIVE(void conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                            const ConvOptions& options, const Tensor& y, double eps = 0, const Tensor& mean = {},
                            const Tensor& rstd = {}))
// dx: one tensor per input.
VOXGRAD_PRIMITIVE(void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options,
                                           const std::vector<Tensor>& dx))
VOXGRAD_PRIMITIVE(void conv_weight_gradient(const std::vector<FeatureMap>& inputs, const Tensor& dy,
                                            const ConvOptions& options, const Tensor& dweight))
// The transpose of conv: y = conv_input_gradient(x) + bias, and the gradient of its weights.
VOXGRAD_PRIMITIVE(void conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias,
                                      const ConvOptions& options, const Tensor& y))
VOXGRAD_PRIMITIVE(void conv_transpose_weight_gradient(const FeatureMap& x, const Tensor& dy, const ConvOptions& options,
                                                      const Tensor& dweight))
// Windows of `window` voxels, stride = window, rest at the end dropped. `index` u8, like y: which voxel of the window.
VOXGRAD_PRIMITIVE(void max_pool(const FeatureMap& x, const Extents& window, const Tensor& y, const Tensor& index))

VOXGRAD_PRIMITIVE(void max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window,
                                         const Tensor& dx))
// dbias [C] = sum of dy over everything but the channel.
VOXGRAD_PRIMITIVE(void bias_gradient(const Tensor& dy, const Tensor& dbias))
// Extents of y = extents of x * scale. Linear: corners not aligned (PyTorch align_corners=False), edges clamped.
VOXGRAD_PRIMITIVE(void upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y))
VOXGRAD_PRIMITIVE(void upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale, const Tensor& dx))

// --- Normalisation. x is read as [M, R, C]; mean and rstd are [M, G]: M = N and G = C (instance), G groups of C / G
// consecutive channels (group), M = 1 and G = C (batch). The variance is the biased one; rstd = 1 / sqrt(variance +
// eps). ---
VOXGRAD_PRIMITIVE(void norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd))
VOXGRAD_PRIMITIVE(void norm(const FeatureMap& x, const Tensor& y))  // carries out what x defers
// constant_statistics: mean and rstd do not depend on x (batch norm in evaluation). Any output may be undefined.
VOXGRAD_PRIMITIVE(void norm_gradient(const FeatureMap& x, const Tensor& dy, bool constant_statistics, const Tensor& dx,
                                     const Tensor& dgamma, const Tensor& dbeta))

// --- Random numbers. Element i is a pure function of (key, i). ---
// uniform on (a, b); normal with mean a and standard deviation b.
VOXGRAD_PRIMITIVE(void random(Distribution distribution, std::uint64_t key, double a, double b, const Tensor& y))
// y = x * mask / (1 - probability); the mask is a function of (key, element), or of (key, sample, channel).
// Its own gradient: call it again on dy.
VOXGRAD_PRIMITIVE(void dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key,
                               const Tensor& y))

// --- Losses (engine/integrands.h). labels u8 [N, *S], all < max(C, 2) or ignored; sums f64 [rows, N, C]. ---
// keep: a gradient will be asked for, with the result as `kept`. What it holds is the backend's affair, such as the
// probabilities; undefined if nothing.
VOXGRAD_PRIMITIVE(Tensor integrate(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                   const IntegrateOptions& options, bool keep, const Tensor& sums))
VOXGRAD_PRIMITIVE(void integrate_gradient(const Tensor& logits, const Tensor& labels, const std::vector<Integral>& rows,
                                          const IntegrateOptions& options, const Tensor& kept, const Tensor& dsums,
                                          const Tensor& dlogits))
// One row before it is added up: y [N, *S, C] ([N, *S, 1] in scope truth), 0 at ignored voxels. Its gradient is
// integrate_gradient with the upstream gradient as the field of the row, because a row is linear in its field.
VOXGRAD_PRIMITIVE(void integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                                 const IntegrateOptions& options, const Tensor& y))

// --- Labels u8 [N, *S] and neighbourhoods ---
// y [N, *S, K] = table[label], table f64 [L, K]; zeros for a label >= L.
VOXGRAD_PRIMITIVE(void lookup(const Tensor& table, const Tensor& labels, const Tensor& y))
// y f32|f64 [N, *S, K]: the exact Euclidean distance of every voxel to the nearest one on the other side of class
// classes[k], 0 everywhere if there is no other side. No classes: K = 1, to the nearest voxel with another label.
VOXGRAD_PRIMITIVE(void distance(const Tensor& labels, const std::vector<int>& classes,
                                const std::vector<double>& spacing, const Tensor& y))
// The minimum or maximum of a voxel and its two neighbours along a spatial axis of [N, *S, C].
VOXGRAD_PRIMITIVE(void neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y))
// To the first of equal ones.
VOXGRAD_PRIMITIVE(void neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy, const Tensor& dx))

// --- Ranks ---
// y = 1 at the `count` largest elements of x, else 0; of equal ones the first are taken.
VOXGRAD_PRIMITIVE(void select_largest(const Tensor& x, std::int64_t count, const Tensor& y))
// y: the slope of the Lovasz extension of the Jaccard loss at errors [N, *S, C], per class over the batch, or
// per_image. C = 1: of label 1. Ignored voxels: 0.
VOXGRAD_PRIMITIVE(void lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore,
                                    const Tensor& y))

// --- Optimiser steps, in place, over a flat buffer. The gradient is multiplied by gradient_scale first. ---
VOXGRAD_PRIMITIVE(void sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum, const Tensor& w))
VOXGRAD_PRIMITIVE(void adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first,
                                 const Tensor& second, const Tensor& w))
VOXGRAD_PRIMITIVE(void lerp(const Tensor& x, double weight, const Tensor& y))  // y += weight * (x - y)

#endif

// The primitives that every device implements, one declaration each. backend.h includes this file to declare them as
// pure virtual functions, and the header of each backend includes it to declare its overrides.
//
// An operation (engine/ops.h) checks its arguments, infers shapes, allocates and records. A primitive only fills memory
// that was allocated for it, so it may assume that shapes, types and devices fit. Outputs come last and are
// overwritten, unless the comment says that the primitive adds to them. An optional tensor may be undefined. If nothing
// else is said, tensors such as x, y and dy are [N, *S, C] and have one floating-point type.

#ifdef VOXGRAD_PRIMITIVE            // elsewhere this file declares nothing
#ifndef VOXGRAD_TRAINING_PRIMITIVE  // what a trained network does not need
#define VOXGRAD_TRAINING_PRIMITIVE VOXGRAD_PRIMITIVE
#endif

// --- Memory. One side of a copy may be the host. ---
VOXGRAD_PRIMITIVE(void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes))
VOXGRAD_PRIMITIVE(void fill(const Tensor& y, double value))
// Converts between any two element types; a float that becomes an integer is truncated.
VOXGRAD_PRIMITIVE(void cast(const Tensor& x, const Tensor& y))
// Copies the box [x_begin, x_begin + extents) of x to [y_begin, y_begin + extents) of y. All have the same number of
// axes. If `add` is true, the box is added to y instead.
VOXGRAD_PRIMITIVE(void copy_box(const Tensor& x, const Shape& x_begin, const Tensor& y, const Shape& y_begin,
                                const Shape& extents, bool add))

// --- Elementwise. The gradient is dx = dy * df/dx. Binary operands broadcast by the numpy rule to the shape of y. ---
VOXGRAD_PRIMITIVE(void unary(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y))
VOXGRAD_TRAINING_PRIMITIVE(void unary_gradient(UnaryOp op, double a, double b, const Tensor& x, const Tensor& y,
                                               const Tensor& dy, const Tensor& dx))
VOXGRAD_PRIMITIVE(void binary(BinaryOp op, const Tensor& p, const Tensor& q, const Tensor& y))  // y may be p
// For side 0, d = dy * df/dp; for side 1, d = dy * df/dq. d has the broadcast shape.
VOXGRAD_TRAINING_PRIMITIVE(void binary_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q,
                                                const Tensor& dy, const Tensor& d))

// --- Reductions. y has the axes of x, with extent 1 where reduced. Sums accumulate in f64. ---
VOXGRAD_TRAINING_PRIMITIVE(void reduce(ReduceOp op, const Tensor& x, const Tensor& y))
// The index of the first maximum along the last axis; y is u8 [N, *S].
VOXGRAD_PRIMITIVE(void argmax(const Tensor& x, const Tensor& y))
// The largest of the u8 labels other than `ignore`; -1 if there is none.
VOXGRAD_TRAINING_PRIMITIVE(std::int64_t largest_label(const Tensor& labels, int ignore))
// Returned to the host. NaN and infinity in x give NaN or infinity.
VOXGRAD_PRIMITIVE(double sum_of_squares(const Tensor& x))

// --- Rows of the last axis ---
VOXGRAD_PRIMITIVE(void softmax(bool logarithm, const Tensor& x, const Tensor& y))
VOXGRAD_TRAINING_PRIMITIVE(void softmax_gradient(bool logarithm, const Tensor& y, const Tensor& dy, const Tensor& dx))

// y [m, n] = a [m, k] b [k, n]; a is stored [k, m] if transpose_a, b [n, k] if transpose_b.
VOXGRAD_PRIMITIVE(void matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y))

// --- Convolution and pooling. The next six primitives also have a body in Backend (engine/composed.cpp), which does
// one step after the other. A device implements at least the simplest call (one map, nothing deferred, no statistics,
// one dx) and calls that body for whatever it cannot do in one pass. ---
// The convolution of the maps concatenated along the channels. weight is [Cout, *K, Cin] with one to three axes *K, and
// bias [Cout] or undefined. If `mean` is defined, mean and rstd [M, G] receive the statistics of y (norm_statistics).
VOXGRAD_PRIMITIVE(void conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                            const ConvOptions& options, const Tensor& y, double eps = 0, const Tensor& mean = {},
                            const Tensor& rstd = {}))
// dx has one tensor per input.
VOXGRAD_PRIMITIVE(void conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options,
                                           const std::vector<Tensor>& dx))
VOXGRAD_TRAINING_PRIMITIVE(void conv_weight_gradient(const std::vector<FeatureMap>& inputs, const Tensor& dy,
                                                     const ConvOptions& options, const Tensor& dweight))
// The transpose of conv, y = conv_input_gradient(x) + bias, and the gradient of its weights.
VOXGRAD_PRIMITIVE(void conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias,
                                      const ConvOptions& options, const Tensor& y))
VOXGRAD_TRAINING_PRIMITIVE(void conv_transpose_weight_gradient(const FeatureMap& x, const Tensor& dy,
                                                               const ConvOptions& options, const Tensor& dweight))
// The maximum of each window of `window` voxels; the stride equals the window, and voxels that do not fill a window at
// the end are dropped. `index`, u8 with the shape of y, receives the position of the maximum in its window.
VOXGRAD_PRIMITIVE(void max_pool(const FeatureMap& x, const Extents& window, const Tensor& y, const Tensor& index))

VOXGRAD_TRAINING_PRIMITIVE(void max_pool_gradient(const Tensor& dy, const Tensor& index, const Extents& window,
                                                  const Tensor& dx))
// dbias [C] is the sum of dy over all axes but the last.
VOXGRAD_TRAINING_PRIMITIVE(void bias_gradient(const Tensor& dy, const Tensor& dbias))
// The extents of y are those of x times `scale`. Linear interpolation aligns the borders of voxels, not their centres
// (align_corners=False in PyTorch), and clamps at the edges.
VOXGRAD_PRIMITIVE(void upsample(const Tensor& x, Upsampling kind, const Extents& scale, const Tensor& y))
VOXGRAD_TRAINING_PRIMITIVE(void upsample_gradient(const Tensor& dy, Upsampling kind, const Extents& scale,
                                                  const Tensor& dx))

// --- Normalisation. x is read as [M, R, C]; mean and rstd are [M, G]. Instance norm has M = N and G = C, group norm
// M = N and G groups of C / G consecutive channels, batch norm M = 1 and G = C. The variance is the biased one, and
// rstd is 1 / sqrt(variance + eps). ---
VOXGRAD_PRIMITIVE(void norm_statistics(const Tensor& x, double eps, const Tensor& mean, const Tensor& rstd))
// y receives the values of x after its deferred normalisation and activation.
VOXGRAD_PRIMITIVE(void norm(const FeatureMap& x, const Tensor& y))
// constant_statistics says that mean and rstd do not depend on x (batch norm in evaluation). Any output may be
// undefined.
VOXGRAD_TRAINING_PRIMITIVE(void norm_gradient(const FeatureMap& x, const Tensor& dy, bool constant_statistics,
                                              const Tensor& dx, const Tensor& dgamma, const Tensor& dbeta))

// --- Random numbers. Element i is a pure function of (key, i). ---
// The distribution is uniform on (a, b), or normal with mean a and standard deviation b.
VOXGRAD_TRAINING_PRIMITIVE(void random(Distribution distribution, std::uint64_t key, double a, double b,
                                       const Tensor& y))
// y = x * mask / (1 - probability), where the mask is a function of (key, element) or, channelwise, of (key, sample,
// channel). The same call on dy gives dx.
VOXGRAD_TRAINING_PRIMITIVE(void dropout(const Tensor& x, double probability, bool channelwise, std::uint64_t key,
                                        const Tensor& y))

// --- Losses (engine/integrands.h). labels are u8 [N, *S], below max(C, 2) or ignored; sums is f64 [rows, N, C]. ---
// If `save` is true, integrate_gradient will be called later, and receives the returned tensor as `saved`. Each backend
// decides what it holds, for example the probabilities; it may be undefined.
VOXGRAD_TRAINING_PRIMITIVE(Tensor integrate(const Tensor& logits, const Tensor& labels,
                                            const std::vector<Integral>& rows, const IntegrateOptions& options,
                                            bool save, const Tensor& sums))
VOXGRAD_TRAINING_PRIMITIVE(void integrate_gradient(const Tensor& logits, const Tensor& labels,
                                                   const std::vector<Integral>& rows, const IntegrateOptions& options,
                                                   const Tensor& saved, const Tensor& dsums, const Tensor& dlogits))
// The values of one row before they are summed: y is [N, *S, C], or [N, *S, 1] in scope truth, and 0 at ignored voxels.
// Its gradient is integrate_gradient with the upstream gradient as the field of the row, because a row is linear in its
// field.
VOXGRAD_TRAINING_PRIMITIVE(void integrand(const Tensor& logits, const Tensor& labels, const Integral& row,
                                          const IntegrateOptions& options, const Tensor& y))

// --- Labels u8 [N, *S] and neighbourhoods ---
// y [N, *S, K] is the row table[label] of the table, f64 [L, K], and zeros for a label >= L.
VOXGRAD_TRAINING_PRIMITIVE(void lookup(const Tensor& table, const Tensor& labels, const Tensor& y))
// y, f32 or f64 [N, *S, K], is the exact Euclidean distance of every voxel to the nearest one on the other side of
// class classes[k], and 0 everywhere if there is no other side. Without classes K is 1, and the distance is that to the
// nearest voxel with another label.
VOXGRAD_TRAINING_PRIMITIVE(void distance(const Tensor& labels, const std::vector<int>& classes,
                                         const std::vector<double>& spacing, const Tensor& y))
// y [N, *S, K], i32, is the number of the connected component that a voxel belongs to, from 1 in the order of the first
// voxels of the components, for every label classes[k]; 0 elsewhere. Neighbours differ by one along at most
// `connectivity` axes. Backend has a body that lets the CPU do it; so it has for skeleton.
VOXGRAD_PRIMITIVE(void components(const Tensor& labels, const std::vector<int>& classes, int connectivity,
                                  const Tensor& y))
// ids and y are i32 [N, *S, K]. y is the id of the nearest voxel whose id is not 0, among equally near ones the
// smallest id; 0 if there is none.
VOXGRAD_TRAINING_PRIMITIVE(void nearest(const Tensor& ids, const std::vector<double>& spacing, const Tensor& y))
// y, u8, is 1 on the skeleton of the voxels that are not 0, and 0 elsewhere (see skeleton() in ops.h).
VOXGRAD_TRAINING_PRIMITIVE(void skeleton(const Tensor& mask, const Tensor& y))
// y [N, segments, K], f64, is the sum of x [N, *S, K or 1] over the voxels with ids[n, *s, k] = segment, ids i32
// [N, *S, K]; other ids are left out. The gradient gathers: dx = dy at the id, summed over k if x has one channel.
VOXGRAD_TRAINING_PRIMITIVE(void segment_sum(const Tensor& x, const Tensor& ids, const Tensor& y))
VOXGRAD_TRAINING_PRIMITIVE(void segment_sum_gradient(const Tensor& ids, const Tensor& dy, const Tensor& dx))
// The minimum or maximum of a voxel and its two neighbours along a spatial axis of [N, *S, C].
VOXGRAD_TRAINING_PRIMITIVE(void neighbours(ReduceOp op, int axis, const Tensor& x, const Tensor& y))
// Among equal values the first one receives the gradient.
VOXGRAD_TRAINING_PRIMITIVE(void neighbours_gradient(ReduceOp op, int axis, const Tensor& x, const Tensor& dy,
                                                    const Tensor& dx))

// --- Ranks ---
// y is 1 at the `count` largest elements of x and 0 elsewhere; among equal ones the first count as larger.
VOXGRAD_TRAINING_PRIMITIVE(void select_largest(const Tensor& x, std::int64_t count, const Tensor& y))
// y is the slope of the Lovasz extension of the Jaccard loss at errors [N, *S, C], per class over the whole batch or
// per_image. With C = 1 the class is label 1. Ignored voxels get 0.
VOXGRAD_TRAINING_PRIMITIVE(void lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore,
                                             const Tensor& y))

// --- Optimiser steps, which change a flat buffer in place. The gradient is multiplied by gradient_scale first. ---
VOXGRAD_TRAINING_PRIMITIVE(void sgd_step(const SgdStep& step, const Tensor& gradient, const Tensor& momentum,
                                         const Tensor& w))
VOXGRAD_TRAINING_PRIMITIVE(void adam_step(const AdamStep& step, const Tensor& gradient, const Tensor& first,
                                          const Tensor& second, const Tensor& w))
VOXGRAD_TRAINING_PRIMITIVE(void lerp(const Tensor& x, double weight, const Tensor& y))  // y += weight * (x - y)

#undef VOXGRAD_TRAINING_PRIMITIVE
#endif

// Exercise 4: convolution and its two gradients.
// Read before: engine/cpu/README.md, "A convolution there and back" until Winograd, which has the gradients in numbers;
// engine/ops.h, the comment of conv(); apps/examples/4_convolution.cpp
//
// A convolution slides a window over the image. With a stride s the window moves s pixels at a time, and with a padding
// q there are q rows and columns of zeros around the image:
//
//   y[n, v, u, o] = sum over a, b, i of x[n, s v + a - q, s u + b - q, i] w[o, a, b, i]
//
//   x [N, H, W, I], w [O, A, B, I], y [N, H', W', O] with H' = (H + 2 q - A) / s + 1, W' = (W + 2 q - B) / s + 1,
//   rounded down. x counts as 0 outside of the image. The kernel is not flipped, and A and B may differ.
//
// Both gradients come from one observation: y is a sum of products x w. A product that is a part of y[n, v, u, o] adds
// dy[n, v, u, o] w to the derivative by its x, and dy[n, v, u, o] x to the derivative by its w. So all three functions
// have the same seven loops (n, v, u, o, a, b, i) and the same test for the border, and another line inside. Write the
// first one, see it pass, and copy it.
//
// The shapes of x and w are given where they do not follow: with a stride of 2, H = 5 and H = 6 have the same H'.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_conv(const Tensor& x, const Tensor& w, std::int64_t stride, std::int64_t padding) {
  not_filled("my_conv", x, w, stride, padding);
}

// Returns the derivative with respect to x, which has the shape `x`.
inline Tensor my_conv_input_gradient(const Tensor& dy, const Tensor& w, const Shape& x, std::int64_t stride,
                                     std::int64_t padding) {
  not_filled("my_conv_input_gradient", dy, w, x, stride, padding);
}

// Returns the derivative with respect to w, which has the shape `w`.
inline Tensor my_conv_weight_gradient(const Tensor& x, const Tensor& dy, const Shape& w, std::int64_t stride,
                                      std::int64_t padding) {
  not_filled("my_conv_weight_gradient", x, dy, w, stride, padding);
}

}  // namespace voxgrad::learn

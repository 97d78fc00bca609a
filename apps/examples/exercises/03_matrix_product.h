// Exercise 3: the matrix product and its gradients.
// Read before: engine/README.md, the idea at the top: a feature map is a matrix
//
//   y[i, j] = sum over k of a[i, k] b[k, j]          a [M, K], b [K, N], y [M, N]
//
// A linear layer and a 1x1 convolution are this sum and nothing else. Write it with loops; the element (i, k) of a is
// a.data<double>()[i * K + k].
//
// For the gradients, dy [M, N] is the derivative of the loss with respect to y. Each product a[i, k] b[k, j] is a part
// of y[i, j]. So it adds dy[i, j] b[k, j] to the derivative by a[i, k], and dy[i, j] a[i, k] to that by b[k, j]:
// the same three loops with two other lines inside. Written as matrices this is a product of dy with a transposed
// matrix, twice. Which matrix, and on which side?
//
// K may be 0; then y is 0 everywhere.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_matmul(const Tensor& a, const Tensor& b) { not_filled("my_matmul", a, b); }

struct ProductGradients {
  Tensor a, b;  // with the shapes of a and b
};
inline ProductGradients my_matmul_gradients(const Tensor& a, const Tensor& b, const Tensor& dy) {
  not_filled("my_matmul_gradients", a, b, dy);
}

}  // namespace voxgrad::learn

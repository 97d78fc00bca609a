// Exercise 1: the derivative of an operation.
// Read before: engine/ops/README.md, "One operation, forward and backward"
//
// Softplus is a ReLU without a corner. Each element of the result is
//
//   y = log(1 + e^x)
//
// Return y as an operation does: compute it, then record it with its derivative.
//
//   return record("softplus", y, {{x, closure}});
//
// The closure receives dy, the derivative of the loss with respect to y (a tensor of the shape of y), and returns that
// with respect to x, which is dy times the derivative of the formula. Derive it on paper; it is a function that
// engine/ops.h has. Compute with x.detach(), which is x without its node, and let the closure capture that: else your
// steps would be recorded one by one.
//
// Two things go wrong easily. e^1000 is infinite, but y at 1000 is 1000: with |x| taken out,
// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), and nothing is too large. And 1 + 1e-20 is 1 in floating point, but
// log1p(1e-20) is 1e-20.
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_softplus(const Tensor& x) { not_filled("my_softplus", x); }

}  // namespace voxgrad::learn

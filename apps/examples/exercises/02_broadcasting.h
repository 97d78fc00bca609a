// Exercise 2: the gradient of broadcasting.
// Read before: engine/README.md, "The life of one operation"; engine/shape.h, the comment of broadcast()
//
// In z = x + y with x [2, 3] and y [3], the three numbers of y are used in both rows. So y_j reaches the loss in two
// ways, and its derivative is the sum over both: dy_j = dz_0j + dz_1j. In general, what was repeated along an axis is
// summed along it.
//
// `gradient` is the derivative with respect to the result. `shape` is that of an operand, which was broadcast to the
// shape of the gradient. Return the derivative with respect to the operand, a tensor of this shape:
//
//   result[s] = sum of gradient[r] over all places r that the operand's place s was copied to
//
// Shapes are aligned at the last axis. An axis was repeated if the operand does not have it, as axis 0 of [3] in
// [2, 3], or has it with extent 1 where the gradient has more, as axis 1 of [2, 1] in [2, 3]. The shape [] has one
// element, which was copied everywhere.
//
// You may use sum() and reshape() of engine/ops.h, or loops. The engine's own function, which is not for you today, is
// sum_to().
#pragma once

#include "apps/examples/exercises/hole.h"
#include "engine/ops.h"

namespace voxgrad::learn {

inline Tensor my_broadcast_gradient(const Tensor& gradient, const Shape& shape) {
  not_filled("my_broadcast_gradient", gradient, shape);
}

}  // namespace voxgrad::learn

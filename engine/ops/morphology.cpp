// Dilation and erosion: the maximum or minimum of a voxel and its neighbours.
#include "engine/ops/common.h"

namespace voxgrad {
namespace {

Tensor neighbours(ReduceOp op, const char* name, const Tensor& x, int axis) {
  check(axis >= 1 && axis <= x.dims() - 2, name, ": ", axis, " is no spatial axis of ", x.shape());
  Tensor y = empty_like(x);
  x.backend().neighbours(op, axis, x, y);
  return record(name, y, {{x, [x = x.detach(), op, axis](const Tensor& dy) {
                             Tensor dx = empty_like(x);
                             x.backend().neighbours_gradient(op, axis, x, dy, dx);
                             return dx;
                           }}});
}

Tensor neighbours(ReduceOp op, const char* name, const Tensor& x, const std::vector<int>& axes) {
  detail::check_feature_map(x, name);
  Tensor y = x;
  for (int axis : axes) y = neighbours(op, name, y, axis);
  return y;
}

}  // namespace

Tensor dilate(const Tensor& x, const std::vector<int>& axes) { return neighbours(ReduceOp::max, "dilate", x, axes); }
Tensor erode(const Tensor& x, const std::vector<int>& axes) { return neighbours(ReduceOp::min, "erode", x, axes); }

}  // namespace voxgrad

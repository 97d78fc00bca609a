// Operations that move elements: reshape (none moves), slice, concat.
#include "engine/ops/common.h"

namespace voxgrad {

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(x.defined(), "reshape: an undefined tensor was given");
  check(shape.numel() == x.numel(), "reshape: ", x.shape(), " has ", x.numel(), " elements, ", shape, " has ",
        shape.numel());
  if (x.shape() == shape) return x;
  return record(x.alias(0, shape), {{x, [before = x.shape()](const Tensor& dy) { return dy.alias(0, before); }}});
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  check(x.defined(), "slice: an undefined tensor was given");
  check(begin >= 0 && begin <= end && end <= x.extent(axis), "slice: [", begin, ", ", end, ") outside axis ", axis,
        " of ", x.shape());
  const Shape origin = Shape::filled(x.dims(), 0);
  const Shape from = origin.with(axis, begin);
  const Shape extents = x.shape().with(axis, end - begin);
  Tensor y = empty(extents, x.dtype(), x.device());
  x.backend().copy_box(x, from, y, origin, extents, false);
  return record(y, {{x, [from, origin, extents, shape = x.shape()](const Tensor& dy) {
                       Tensor dx = zeros(shape, dy.dtype(), dy.device());
                       dy.backend().copy_box(dy, origin, dx, from, extents, false);
                       return dx;
                     }}});
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  check(!parts.empty(), "concat: no tensors were given");
  const Tensor& first = parts.front();
  check(first.defined(), "concat: tensor 0 is undefined");
  std::int64_t total = 0;
  for (const Tensor& part : parts) {
    detail::check_like(first, part, "concat", "a part");
    check(part.dims() == first.dims() && part.shape().with(axis, 0) == first.shape().with(axis, 0),
          "concat: ", part.shape(), " and ", first.shape(), " differ outside of axis ", axis);
    total += part.extent(axis);
  }
  const Shape origin = Shape::filled(first.dims(), 0);
  Tensor y = empty(first.shape().with(axis, total), first.dtype(), first.device());
  std::vector<Input> inputs;
  std::int64_t at = 0;
  for (const Tensor& part : parts) {
    const std::int64_t end = at + part.extent(axis);
    y.backend().copy_box(part, origin, y, origin.with(axis, at), part.shape(), false);
    inputs.push_back({part, [axis, at, end](const Tensor& dy) { return slice(dy, axis, at, end); }});
    at = end;
  }
  return record(y, std::move(inputs));
}

}  // namespace voxgrad

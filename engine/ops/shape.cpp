// Operations that change the shape: reshape, which moves no elements, and slice, concat and permute, which copy them.
#include <array>
#include <numeric>

#include "engine/ops/common.h"

namespace voxgrad {

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(x.defined(), "reshape: an undefined tensor was given");
  check(shape.numel() == x.numel(), "reshape: ", x.shape(), " has ", x.numel(), " elements, ", shape, " has ",
        shape.numel());
  if (x.shape() == shape) return x;
  return record("reshape", x.alias(0, shape),
                {{x, [before = x.shape()](const Tensor& dy) { return dy.alias(0, before); }}});
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
  return record("slice", y, {{x, [from, origin, extents, shape = x.shape()](const Tensor& dy) {
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
  return record("concat", y, std::move(inputs));
}

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  check(x.defined() && std::ssize(axes) == x.dims(), "permute: ", axes.size(), " axes for ", x);
  std::vector<int> inverse(axes.size(), -1);
  std::array<std::int64_t, Shape::kMaxDims> step{}, index{};  // per axis of y; a step counts elements of x
  Shape shape = x.shape();
  for (int i = 0; i < x.dims(); ++i) {
    const std::size_t from = x.shape().position(nth(axes, i));
    check(inverse[from] < 0, "permute: axis ", from, " of ", x, " is named twice");
    inverse[from] = i;
    shape[i] = x.shape().begin()[from];
    nth(step, i) = std::accumulate(x.shape().begin() + from + 1, x.shape().end(), std::int64_t{1}, std::multiplies<>());
  }
  const Tensor host = x.detach().to(Device::cpu);
  const Tensor result = empty(shape, x.dtype());
  const std::int64_t inner = shape.dims() > 0 ? shape[-1] : 1, stride = nth(step, std::max(0, shape.dims() - 1));
  dispatch(x.dtype(), [&]<class T>(T) {
    const T* from = host.data<T>();
    for (T *to = result.data<T>(), *const end = to + x.numel(); to != end; to += inner) {
      for (std::int64_t i = 0; i < inner; ++i) to[i] = from[i * stride];
      for (int axis = shape.dims() - 2; axis >= 0; --axis) {  // advances the index, with a carry to the axis before
        const bool carry = ++nth(index, axis) == shape[axis];
        from += carry ? nth(step, axis) * (1 - shape[axis]) : nth(step, axis);
        if (!carry) break;
        nth(index, axis) = 0;
      }
    }
  });
  return record("permute", result.to(x.device()), {{x, [inverse](const Tensor& dy) { return permute(dy, inverse); }}});
}

Tensor transpose(const Tensor& x, int a, int b) {
  check(x.defined(), "transpose: an undefined tensor was given");
  std::vector<int> axes(static_cast<std::size_t>(x.dims()));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[x.shape().position(a)], axes[x.shape().position(b)]);
  return permute(x, axes);
}

}  // namespace voxgrad

// Reductions over any set of axes.
#include <algorithm>

#include "engine/ops/common.h"

namespace voxgrad {
namespace {

struct Reduction {
  Shape kept;              // the shape of the result with extent 1 at reduced axes
  Shape dropped;           // the shape of the result without the reduced axes
  std::int64_t count = 1;  // how many elements each result is made of
};

Reduction resolve(const Tensor& x, const std::vector<int>& axes, const char* op) {
  Reduction result{x.shape(), {}, 1};
  std::vector<bool> reduced(static_cast<std::size_t>(x.dims()), axes.empty());
  for (int axis : axes) {
    const std::size_t i = x.shape().position(axis);
    check(!reduced[i], op, ": axis ", axis, " of ", x.shape(), " is named twice");
    reduced[i] = true;
  }
  for (int i = 0; i < x.dims(); ++i) {
    if (nth(reduced, i)) {
      result.count *= x.extent(i);
      result.kept[i] = 1;
    } else {
      result.dropped.push_back(x.extent(i));
    }
  }
  return result;
}

// y broadcast to `shape`, by adding zero.
Tensor expand(const Tensor& y, const Shape& shape) {
  Tensor result = empty(shape, y.dtype(), y.device());
  y.backend().binary(BinaryOp::add, y, zeros({1}, y.dtype(), y.device()), result);
  return result;
}

Tensor extreme(ReduceOp op, const char* name, const Tensor& x, const std::vector<int>& axes, bool keep) {
  detail::check_float(x, name);
  const Reduction plan = resolve(x, axes, name);
  check(plan.count > 0, name, ": no elements to choose from in ", x.shape());
  Tensor y = empty(plan.kept, x.dtype(), x.device());
  x.backend().reduce(op, x, y);
  // Equal extremes share the gradient equally: dx = dy * hit / number of hits.
  Tensor result = record(name, y, {{x, [x = x.detach(), y, axes](const Tensor& dy) {
                                      Tensor hit = empty_like(x);
                                      x.backend().binary(BinaryOp::equal, x, y, hit);
                                      return multiply(divide(hit, sum(hit, axes, true)), dy);
                                    }}});
  return keep ? result : reshape(result, plan.dropped);
}

}  // namespace

Tensor sum(const Tensor& x, std::vector<int> axes, bool keep) {
  detail::check_float(x, "sum");
  const Reduction plan = resolve(x, axes, "sum");
  Tensor y = empty(plan.kept, x.dtype(), x.device());
  x.backend().reduce(ReduceOp::sum, x, y);
  Tensor result = record("sum", y, {{x, [shape = x.shape()](const Tensor& dy) { return expand(dy, shape); }}});
  return keep ? result : reshape(result, plan.dropped);
}

Tensor mean(const Tensor& x, std::vector<int> axes, bool keep) {
  detail::check_float(x, "mean");
  const Reduction plan = resolve(x, axes, "mean");
  check(plan.count > 0, "mean: no elements in ", x.shape());
  return affine(sum(x, std::move(axes), keep), 1.0 / static_cast<double>(plan.count), 0);
}

Tensor max(const Tensor& x, std::vector<int> axes, bool keep) { return extreme(ReduceOp::max, "max", x, axes, keep); }
Tensor min(const Tensor& x, std::vector<int> axes, bool keep) { return extreme(ReduceOp::min, "min", x, axes, keep); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  detail::check_float(x, "sum_to");
  if (x.shape() == shape) return x;
  const int lead = x.dims() - shape.dims();
  check(lead >= 0, "sum_to: ", x.shape(), " has fewer axes than ", shape);
  std::vector<int> axes;
  for (int i = 0; i < x.dims(); ++i) {
    const bool summed = i < lead || (shape[i - lead] == 1 && x.extent(i) != 1);
    check(summed || shape[i - lead] == x.extent(i), "sum_to: ", x.shape(), " was not broadcast from ", shape);
    if (summed) axes.push_back(i);
  }
  return reshape(axes.empty() ? x : sum(x, axes, true), shape);
}

}  // namespace voxgrad

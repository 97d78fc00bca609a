// Elementwise operations. The formulas are in engine/functors.h; the functions here check, allocate and record.
#include "engine/ops/common.h"

namespace voxgrad {
namespace {

Tensor unary(UnaryOp op, const char* name, const Tensor& x, double a = 0, double b = 0) {
  detail::check_float(x, name);
  Tensor y = empty_like(x);
  x.backend().unary(op, a, b, x, y);
  return record(name, y, {{x, [op, a, b, x = x.detach(), y](const Tensor& dy) {
                             Tensor dx = empty_like(x);
                             x.backend().unary_gradient(op, a, b, x, y, dy, dx);
                             return dx;
                           }}});
}

// The gradient with respect to one operand has the broadcast shape; backward() sums it back to the shape of the
// operand.
Gradient side_gradient(BinaryOp op, int side, const Tensor& p, const Tensor& q) {
  return [op, side, p = p.detach(), q = q.detach()](const Tensor& dy) {
    Tensor d = empty_like(dy);
    dy.backend().binary_gradient(op, side, p, q, dy, d);
    return d;
  };
}

Tensor binary(BinaryOp op, const char* name, const Tensor& p, const Tensor& q) {
  detail::check_float(p, name);
  detail::check_like(p, q, name, "the second operand");
  Tensor y = empty(broadcast(p.shape(), q.shape(), name), p.dtype(), p.device());
  p.backend().binary(op, p, q, y);
  if (op == BinaryOp::add)  // its gradients need no saved tensors
    return record(name, y, {{p, [](const Tensor& dy) { return dy; }}, {q, [](const Tensor& dy) { return dy; }}});
  return record(name, y, {{p, side_gradient(op, 0, p, q)}, {q, side_gradient(op, 1, p, q)}});
}

}  // namespace

Tensor affine(const Tensor& x, double scale, double shift) {
  detail::check_float(x, "affine");
  Tensor y = empty_like(x);
  x.backend().unary(UnaryOp::affine, scale, shift, x, y);
  return record("affine", y, {{x, [scale](const Tensor& dy) { return affine(dy, scale, 0); }}});
}

Tensor exp(const Tensor& x) { return unary(UnaryOp::exp, "exp", x); }
Tensor log(const Tensor& x) { return unary(UnaryOp::log, "log", x); }
Tensor log1p(const Tensor& x) { return unary(UnaryOp::log1p, "log1p", x); }
Tensor sqrt(const Tensor& x) { return unary(UnaryOp::sqrt, "sqrt", x); }
Tensor square(const Tensor& x) { return unary(UnaryOp::square, "square", x); }
Tensor abs(const Tensor& x) { return unary(UnaryOp::abs, "abs", x); }
Tensor reciprocal(const Tensor& x) { return unary(UnaryOp::reciprocal, "reciprocal", x); }
Tensor sigmoid(const Tensor& x) { return unary(UnaryOp::sigmoid, "sigmoid", x); }
Tensor tanh(const Tensor& x) { return unary(UnaryOp::tanh, "tanh", x); }
Tensor softplus(const Tensor& x) { return unary(UnaryOp::softplus, "softplus", x); }
Tensor relu(const Tensor& x) { return unary(UnaryOp::relu, "relu", x); }
Tensor leaky_relu(const Tensor& x, double slope) { return unary(UnaryOp::leaky_relu, "leaky_relu", x, slope); }
Tensor pow(const Tensor& x, double exponent) { return unary(UnaryOp::pow, "pow", x, exponent); }
Tensor safe_pow(const Tensor& x, double exponent) { return unary(UnaryOp::safe_pow, "safe_pow", x, exponent); }
Tensor log_cosh(const Tensor& x) { return unary(UnaryOp::log_cosh, "log_cosh", x); }

Tensor clamp(const Tensor& x, double low, double high) {
  check(low <= high, "clamp: low ", low, " is above high ", high);
  return unary(UnaryOp::clamp, "clamp", x, low, high);
}

Tensor add(const Tensor& p, const Tensor& q) { return binary(BinaryOp::add, "add", p, q); }
Tensor subtract(const Tensor& p, const Tensor& q) { return binary(BinaryOp::subtract, "subtract", p, q); }
Tensor multiply(const Tensor& p, const Tensor& q) { return binary(BinaryOp::multiply, "multiply", p, q); }
Tensor divide(const Tensor& p, const Tensor& q) { return binary(BinaryOp::divide, "divide", p, q); }
Tensor minimum(const Tensor& p, const Tensor& q) { return binary(BinaryOp::minimum, "minimum", p, q); }
Tensor maximum(const Tensor& p, const Tensor& q) { return binary(BinaryOp::maximum, "maximum", p, q); }

Tensor cast(const Tensor& x, DType dtype) {
  detail::check_float(x, "cast");
  check(is_float(dtype), "cast: gives floats, not ", dtype);
  return record("cast", x.to(dtype).detach(), {{x, [from = x.dtype()](const Tensor& dy) { return dy.to(from); }}});
}

}  // namespace voxgrad

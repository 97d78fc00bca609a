// Operations on the rows of the last axis: softmax, its logarithm, and argmax.
#include "engine/ops/common.h"

namespace voxgrad {
namespace {

Tensor softmax_family(bool logarithm, const char* name, const Tensor& x) {
  detail::check_float(x, name);
  check(x.dims() >= 1 && x.extent(-1) >= 1, name, ": needs a last axis to run over, got ", x.shape());
  Tensor y = empty_like(x);
  x.backend().softmax(logarithm, x, y);
  return record(name, y, {{x, [logarithm, y](const Tensor& dy) {
                             Tensor dx = empty_like(y);
                             y.backend().softmax_gradient(logarithm, y, dy, dx);
                             return dx;
                           }}});
}

}  // namespace

Tensor softmax(const Tensor& x) { return softmax_family(false, "softmax", x); }
Tensor log_softmax(const Tensor& x) { return softmax_family(true, "log_softmax", x); }

Tensor argmax(const Tensor& x) {
  detail::check_float(x, "argmax");
  check(x.dims() >= 1 && x.extent(-1) >= 1 && x.extent(-1) <= 256, "argmax: 1 to 256 channels, got ", x.shape());
  Tensor y = empty(x.shape().without(-1), DType::u8, x.device());
  x.backend().argmax(x, y);
  return y;
}

}  // namespace voxgrad

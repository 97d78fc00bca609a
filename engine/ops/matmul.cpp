// The matrix product.
#include "engine/ops/common.h"

namespace voxgrad {

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  detail::check_float(a, "matmul");
  detail::check_like(a, b, "matmul", "b");
  check(a.dims() == 2 && b.dims() == 2, "matmul: takes two matrices, got ", a.shape(), " and ", b.shape());
  const bool ta = options.transpose_a;
  const bool tb = options.transpose_b;
  const std::int64_t inner = a.extent(ta ? 0 : 1);
  check(inner == b.extent(tb ? 1 : 0), "matmul: ", a.shape(), ta ? " (transposed)" : "", " and ", b.shape(),
        tb ? " (transposed)" : "", " do not fit: inner extents ", inner, " and ", b.extent(tb ? 1 : 0));
  Tensor y = empty({a.extent(ta ? 1 : 0), b.extent(tb ? 0 : 1)}, a.dtype(), a.device());
  a.backend().matmul(a, ta, b, tb, y);
  // dA = dY B^T and dB = A^T dY, each transposed if the operand is stored transposed.
  return record(
      "matmul", y,
      {{a,
        [b = b.detach(), ta, tb](const Tensor& dy) {
          return ta ? matmul(b, dy, {.transpose_a = tb, .transpose_b = true}) : matmul(dy, b, {.transpose_b = !tb});
        }},
       {b, [a = a.detach(), ta, tb](const Tensor& dy) {
          return tb ? matmul(dy, a, {.transpose_a = true, .transpose_b = ta}) : matmul(a, dy, {.transpose_a = !ta});
        }}});
}

}  // namespace voxgrad

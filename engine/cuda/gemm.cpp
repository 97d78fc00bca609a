// Matrix products by cuBLAS. It counts columns first: y = a b in rows is y' = b' a' in columns.
#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"

namespace voxgrad::cuda {

void CudaBackend::matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y) {
  const std::int64_t m = y.extent(0), n = y.extent(1), k = a.extent(transpose_a ? 0 : 1);
  if (m * n == 0) return;
  if (k == 0) return fill(y, 0);
  const cublasHandle_t handle = Context::get().cublas();
  const cublasOperation_t op_a = transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                          op_b = transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const std::int64_t a_row = transpose_a ? m : k, b_row = transpose_b ? k : n;
  if (y.dtype() == DType::f64) {
    const double one = 1, none = 0;
    return check_cublas(cublasDgemm_64(handle, op_b, op_a, n, m, k, &one, b.data<double>(), b_row, a.data<double>(),
                                       a_row, &none, y.data<double>(), n),
                        "matmul");
  }
  const float one = 1, none = 0;
  if (a.dtype() == DType::bf16)  // sums in f32, and the result too where that is wanted
    return check_cublas(
        cublasGemmEx_64(handle, op_b, op_a, n, m, k, &one, b.raw(), CUDA_R_16BF, b_row, a.raw(), CUDA_R_16BF, a_row,
                        &none, y.raw(), y.dtype() == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F, n, CUBLAS_COMPUTE_32F,
                        CUBLAS_GEMM_DEFAULT),
        "matmul");
  check_cublas(cublasSgemm_64(handle, op_b, op_a, n, m, k, &one, b.data<float>(), b_row, a.data<float>(), a_row, &none,
                              y.data<float>(), n),
               "matmul");
}

}  // namespace voxgrad::cuda

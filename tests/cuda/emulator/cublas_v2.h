// Stands in for cuBLAS.
#pragma once

#include "cuda_runtime.h"
#include "engine/cuda/bf16.h"

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS, CUBLAS_STATUS_ALLOC_FAILED, CUBLAS_STATUS_EXECUTION_FAILED };
struct EmulatedBlas {
  cudaStream_t stream = nullptr;
};
using cublasHandle_t = EmulatedBlas*;

inline cublasStatus_t cublasCreate(cublasHandle_t* handle) { return *handle = new EmulatedBlas, CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  return handle->stream = stream, CUBLAS_STATUS_SUCCESS;
}
inline const char* cublasGetStatusString(cublasStatus_t) { return "emulated"; }

enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cublasMath_t {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_TF32_TENSOR_OP_MATH = 3,
  CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16
};
enum cudaDataType_t { CUDA_R_32F, CUDA_R_16BF };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT };
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }

namespace emulator {

// c [m, n] = alpha a b + beta c, columns first.
template <class T, class In, class Out>
cublasStatus_t product(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m,
                       std::int64_t n, std::int64_t k, const T* alpha, const In* a, std::int64_t lda, const In* b,
                       std::int64_t ldb, const T* beta, Out* c, std::int64_t ldc) {
  const cudaError_t status = queue(handle->stream, [=, alpha = *alpha, beta = *beta] {
    const Access access;
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < m; ++i) {
        T sum = 0;
        for (std::int64_t l = 0; l < k; ++l)
          sum +=
              a[op_a == CUBLAS_OP_N ? i + l * lda : l + i * lda] * b[op_b == CUBLAS_OP_N ? l + j * ldb : j + l * ldb];
        c[i + j * ldc] = alpha * sum + (beta == 0 ? T(0) : beta * c[i + j * ldc]);
      }
  });
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace emulator

inline cublasStatus_t cublasSgemm_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                     std::int64_t m, std::int64_t n, std::int64_t k, const float* alpha, const float* a,
                                     std::int64_t lda, const float* b, std::int64_t ldb, const float* beta, float* c,
                                     std::int64_t ldc) {
  return emulator::product(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline cublasStatus_t cublasDgemm_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                     std::int64_t m, std::int64_t n, std::int64_t k, const double* alpha,
                                     const double* a, std::int64_t lda, const double* b, std::int64_t ldb,
                                     const double* beta, double* c, std::int64_t ldc) {
  return emulator::product(handle, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
// Factors of bf16, sums in f32.
inline cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                      std::int64_t m, std::int64_t n, std::int64_t k, const float* alpha, const void* a,
                                      cudaDataType_t, std::int64_t lda, const void* b, cudaDataType_t, std::int64_t ldb,
                                      const float* beta, void* c, cudaDataType_t c_type, std::int64_t ldc,
                                      cublasComputeType_t, cublasGemmAlgo_t) {
  using voxgrad::cuda::Bf16;
  const auto run = [&](auto* to) {
    return emulator::product(handle, op_a, op_b, m, n, k, alpha, static_cast<const Bf16*>(a), lda,
                             static_cast<const Bf16*>(b), ldb, beta, to, ldc);
  };
  return c_type == CUDA_R_16BF ? run(static_cast<Bf16*>(c)) : run(static_cast<float*>(c));
}

// Matrix products on one thread: C [m, n] = A [m, k] B [k, n], row-major, written over C or added to it. Callers cut
// their work into blocks and call this function inside parallel_for. There are two implementations: the built-in one
// (gemm.cpp), and OpenBLAS if the build found it. The environment variable VOXGRAD_GEMM=builtin|openblas forces one.
#pragma once

#include <cstdint>
#include <string>

namespace voxgrad::cpu::VOXGRAD_ISA {

enum class Blas { builtin, openblas };

// The implementation that VOXGRAD_GEMM names. By default it is OpenBLAS where this code has only the baseline vectors,
// and the built-in one with AVX (README.md, decision 2). Error(usage) if the value is unknown or not in this build.
Blas chosen_blas();
std::string blas_description();  // of the chosen one: "built-in matrix products", "OpenBLAS SkylakeX"

// An operand. Element (row, column) is data[row * ld + column], or data[column * ld + row] if transposed.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t ld;
  bool transposed = false;
};

// T is float or double. add: C += A B.
template <class T>
void gemm(Blas blas, std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
          std::int64_t ldc);

}  // namespace voxgrad::cpu::VOXGRAD_ISA

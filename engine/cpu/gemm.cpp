// Matrix products: the built-in GEMM and OpenBLAS behind one function.
//
// Built in: B is copied, a block of kDepth rows at a time, into panels as wide as the register tile (microkernel.h), so
// that the innermost loop reads it in order; A is read where it is. The panels of a block stay in the L2 cache.
#include "engine/cpu/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "engine/cpu/scratch.h"
#ifdef VOXGRAD_OPENBLAS
#include <cblas.h>
#endif

#include "engine/cpu/isa.h"
#include "engine/cpu/microkernel.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kDepth = 256;            // rows of B per block
constexpr std::int64_t kPackedBytes = 1 << 19;  // bytes of B per block

// panel[k][column] of the columns [first, first + width) of B, zeros behind column n.
template <class T>
void pack_panel(Matrix<T> b, std::int64_t k_begin, std::int64_t k_count, std::int64_t first, std::int64_t n, int width,
                T* panel) {
  const int columns = static_cast<int>(std::min<std::int64_t>(width, n - first));
  for (std::int64_t k = 0; k < k_count; ++k, panel += width) {
    if (b.transposed)
      for (int j = 0; j < columns; ++j) panel[j] = b.data[(first + j) * b.ld + k_begin + k];
    else
      std::memcpy(panel, b.data + (k_begin + k) * b.ld + first, static_cast<std::size_t>(columns) * sizeof(T));
    std::fill(panel + columns, panel + width, T{0});
  }
}

template <class T>
void builtin(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
             std::int64_t ldc) {
  constexpr int kWidth = kTileColumns<T>;
  const std::int64_t depth = std::min(k, kDepth);
  const std::int64_t wide =
      std::clamp(kPackedBytes / (depth * static_cast<std::int64_t>(sizeof(T)) * kWidth), std::int64_t{1},
                 (n + kWidth - 1) / kWidth);  // panels per block
  const Scratch<T> packed(wide * kWidth * depth);
  for (std::int64_t column = 0; column < n; column += wide * kWidth) {
    const std::int64_t end = std::min(n, column + wide * kWidth);
    for (std::int64_t first = 0; first < k; first += depth) {
      const std::int64_t count = std::min(depth, k - first);
      for (std::int64_t j = column; j < end; j += kWidth)
        pack_panel(b, first, count, j, n, kWidth, packed.data() + (j - column) * depth);
      for (std::int64_t j = column; j < end; j += kWidth) {
        const Product<T> p{.a = a.data + first * (a.transposed ? a.ld : 1),
                           .row_stride = a.transposed ? 1 : a.ld,
                           .k_stride = a.transposed ? a.ld : 1,
                           .b = packed.data() + (j - column) * depth,
                           .ldb = kWidth,
                           .k = count,
                           .c = c + j,
                           .ldc = ldc,
                           .add = add || first > 0};
        multiply_columns(m, std::min<std::int64_t>(kWidth, n - j), p);
      }
    }
  }
}

#ifdef VOXGRAD_OPENBLAS
template <class T>
void by_openblas(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
                 std::int64_t ldc) {
  [[maybe_unused]] static const bool serial = [] {
    openblas_set_num_threads(1);  // threads come from parallel_for
    return true;
  }();
  const auto narrow = [](std::int64_t extent) { return static_cast<blasint>(extent); };
  const CBLAS_TRANSPOSE ta = a.transposed ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE tb = b.transposed ? CblasTrans : CblasNoTrans;
  if constexpr (sizeof(T) == sizeof(float))
    cblas_sgemm(CblasRowMajor, ta, tb, narrow(m), narrow(n), narrow(k), 1.0f, a.data, narrow(a.ld), b.data,
                narrow(b.ld), add ? 1.0f : 0.0f, c, narrow(ldc));
  else
    cblas_dgemm(CblasRowMajor, ta, tb, narrow(m), narrow(n), narrow(k), 1.0, a.data, narrow(a.ld), b.data, narrow(b.ld),
                add ? 1.0 : 0.0, c, narrow(ldc));
}
#endif

}  // namespace

Blas chosen_blas() {
#ifdef VOXGRAD_OPENBLAS
  constexpr bool kHasOpenblas = true;
#else
  constexpr bool kHasOpenblas = false;
#endif
  const char* wish = std::getenv("VOXGRAD_GEMM");
  if (wish == nullptr || *wish == '\0') return kHasOpenblas && VOXGRAD_ISA_LEVEL == 0 ? Blas::openblas : Blas::builtin;
  if (std::string(wish) == "builtin") return Blas::builtin;
  if (std::string(wish) == "openblas" && kHasOpenblas) return Blas::openblas;
  throw Error(ErrorKind::usage, text("VOXGRAD_GEMM=", wish, " is unknown or not in this build"),
              "use builtin, or openblas in a build with -DVOXGRAD_BLAS=openblas, or unset it");
}

template <class T>
void gemm([[maybe_unused]] Blas blas, std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b,
          bool add, T* c, std::int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0) {
    for (std::int64_t row = 0; row < m && !add; ++row) std::fill(c + row * ldc, c + row * ldc + n, T{0});
    return;
  }
#ifdef VOXGRAD_OPENBLAS
  if (blas == Blas::openblas) return by_openblas(m, n, k, a, b, add, c, ldc);
#endif
  builtin(m, n, k, a, b, add, c, ldc);
}
template void gemm<float>(Blas, std::int64_t, std::int64_t, std::int64_t, Matrix<float>, Matrix<float>, bool, float*,
                          std::int64_t);
template void gemm<double>(Blas, std::int64_t, std::int64_t, std::int64_t, Matrix<double>, Matrix<double>, bool,
                           double*, std::int64_t);

void CpuBackend::matmul(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& y) {
  constexpr std::int64_t kBlock = 256;  // rows and columns of y per task
  const std::int64_t m = y.extent(0), n = y.extent(1), k = a.extent(transpose_a ? 0 : 1);
  const Blas blas = chosen_blas();
  const std::int64_t across = block_count(n, kBlock);
  dispatch_float(y.dtype(), "matmul", [&]<class T>(T) {
    parallel_for(block_count(m, kBlock) * across, 1, [&](std::int64_t begin, std::int64_t) {
      const std::int64_t row = begin / across * kBlock, column = begin % across * kBlock;
      gemm<T>(blas, std::min(kBlock, m - row), std::min(kBlock, n - column), k,
              {a.data<T>() + row * (transpose_a ? 1 : k), transpose_a ? m : k, transpose_a},
              {b.data<T>() + column * (transpose_b ? k : 1), transpose_b ? k : n, transpose_b}, false,
              y.data<T>() + row * n + column, n);
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

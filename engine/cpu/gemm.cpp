// Matrix products: the built-in GEMM and OpenBLAS behind one function.
//
// The built-in one copies kPanelDepth rows of B to a panel as wide as the register tile (microkernel.h). The panel
// stays in the L1 cache while all rows of A pass over it. A is read where it is.
#include "engine/cpu/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#ifdef VOXGRAD_OPENBLAS
#include <cblas.h>
#include <dlfcn.h>
#endif

#include "engine/cpu/isa.h"
#include "engine/cpu/microkernel.h"
#include "engine/cpu/transpose.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kPanelDepth = 256;  // rows of a panel

// Copies `columns` columns of B from `first` on to panel[k][column], with zeros behind them.
template <class T>
void pack_panel(Matrix<T> b, std::int64_t k_begin, std::int64_t k_count, std::int64_t first, std::int64_t columns,
                T* panel) {
  constexpr std::int64_t kWidth = kTileColumns<T>, kSide = kLanes<T>;
  if (b.transposed) {
    for (std::int64_t k = 0; k < k_count; k += kSide)
      for (std::int64_t j = 0; j < kWidth; j += kSide)
        transpose_square(b.data + (first + j) * b.ld + k_begin + k, b.ld,
                         std::clamp<std::int64_t>(columns - j, 0, kSide), std::min(kSide, k_count - k),
                         panel + k * kWidth + j, kWidth);
    return;
  }
  const T* from = b.data + k_begin * b.ld + first;
  for (std::int64_t k = 0; k < k_count; ++k, from += b.ld, panel += kWidth)
    if (columns == kWidth)
      for (std::int64_t j = 0; j < kWidth; j += kSide) store(panel + j, load(from + j));
    else
      for (std::int64_t j = 0; j < kWidth; ++j) panel[j] = j < columns ? from[j] : T{0};
}

// C [m, N] (+)= A B^T for a few columns: dot products of rows of A and rows of B. As many rows of A are taken at once
// as fill a vector with results; a transpose then adds up the lanes of all of them.
template <class T, int N>
void multiply_dots(std::int64_t m, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c) {
  constexpr int kRows = kLanes<T> / N, kResults = kRows * N;
  for (std::int64_t row = 0; row < m; row += kRows, c += kResults) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, m - row);
    Vec<T> sums[kLanes<T>] = {};
    const auto add_products = [&](const auto& load_at) {
      Vec<T> right[N];
      for (int n = 0; n < N; ++n) right[n] = load_at(b.data + n * b.ld);
      for (int r = 0; r < kRows; ++r) {
        const Vec<T> left = load_at(a.data + (row + std::min<std::int64_t>(r, rows - 1)) * a.ld);
        for (int n = 0; n < N; ++n) sums[r * N + n] += left * right[n];
      }
    };
    std::int64_t i = 0;
    for (; i + kLanes<T> <= k; i += kLanes<T>) add_products([i](const T* p) { return load(p + i); });
    if (i < k) add_products([i, rest = static_cast<int>(k - i)](const T* p) { return load_part(p + i, rest); });
    transpose<T>(sums);
    Vec<T> total{};
    for (const Vec<T>& sum : sums) total += sum;
    if (rows * N == kLanes<T>) {
      store(c, add ? load(c) + total : total);
    } else {
      const int count = static_cast<int>(rows * N);
      store_part(c, add ? load_part(c, count) + total : total, count);
    }
  }
}

// Returns whether it could: C must be dense with at most `N` columns, and A and B must be read along their rows.
template <class T, int N = std::min(4, kLanes<T>)>
bool multiply_few_columns(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
                          std::int64_t ldc) {
  if (n > N || a.transposed || !b.transposed || ldc != n) return false;
  if (n == N) return multiply_dots<T, N>(m, k, a, b, add, c), true;
  if constexpr (N > 1) return multiply_few_columns<T, N - 1>(m, n, k, a, b, add, c, ldc);
  return false;
}

template <class T>
void builtin(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
             std::int64_t ldc) {
  if (multiply_few_columns<T>(m, n, k, a, b, add, c, ldc)) return;
  constexpr std::int64_t kWidth = kTileColumns<T>;
  alignas(64) T panel[kPanelDepth * kWidth];
  for (std::int64_t first = 0; first < k; first += kPanelDepth)
    for (std::int64_t j = 0; j < n; j += kWidth) {
      const std::int64_t count = std::min(kPanelDepth, k - first), columns = std::min(kWidth, n - j);
      // B is read in place if few rows of A pass over it.
      const bool in_place = !b.transposed && m <= 2 * kTileRows && columns % kLanes<T> == 0;
      if (!in_place) pack_panel(b, first, count, j, columns, panel);
      multiply_columns<T>(m, columns,
                          {.a = a.data + first * (a.transposed ? a.ld : 1),
                           .row_stride = a.transposed ? 1 : a.ld,
                           .k_stride = a.transposed ? a.ld : 1,
                           .b = in_place ? b.data + first * b.ld + j : panel,
                           .ldb = in_place ? b.ld : kWidth,
                           .k = count,
                           .c = c + j,
                           .ldc = ldc,
                           .add = add || first > 0});
    }
}

#ifdef VOXGRAD_OPENBLAS
struct OpenBlas {
  decltype(&cblas_sgemm) sgemm = nullptr;  // null if OpenBLAS is not installed
  decltype(&cblas_dgemm) dgemm = nullptr;
  std::string core;  // the processor for which its kernels are
};

// OpenBLAS starts threads as soon as it is loaded: most programs would wait for threads that they never use, and
// without memory for them it does not end. So it is loaded when it is chosen.
OpenBlas load_openblas() {
  constexpr int kThreads = 1;  // threads come from parallel_for
#ifdef VOXGRAD_OPENBLAS_LINKED
  openblas_set_num_threads(kThreads);
  return {cblas_sgemm, cblas_dgemm, openblas_get_corename()};
#else
  void* const library = ::dlopen(VOXGRAD_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  const auto find = [&]<class F>(F*& function, const char* name) {
    function = reinterpret_cast<F*>(::dlsym(library, name));
    return function != nullptr;
  };
  OpenBlas found;
  void (*set_threads)(int) = nullptr;
  char* (*core)() = nullptr;
  if (!find(found.sgemm, "cblas_sgemm") || !find(found.dgemm, "cblas_dgemm") ||
      !find(set_threads, "openblas_set_num_threads"))
    return {};
  set_threads(kThreads);
  if (find(core, "openblas_get_corename")) found.core = core();
  return found;
#endif
}

const OpenBlas& openblas() {
  static const OpenBlas functions = load_openblas();
  return functions;
}

template <class T>
void by_openblas(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, bool add, T* c,
                 std::int64_t ldc) {
  const auto narrow = [](std::int64_t extent) { return static_cast<blasint>(extent); };
  const CBLAS_TRANSPOSE ta = a.transposed ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE tb = b.transposed ? CblasTrans : CblasNoTrans;
  if constexpr (sizeof(T) == sizeof(float))
    openblas().sgemm(CblasRowMajor, ta, tb, narrow(m), narrow(n), narrow(k), 1.0f, a.data, narrow(a.ld), b.data,
                     narrow(b.ld), add ? 1.0f : 0.0f, c, narrow(ldc));
  else
    openblas().dgemm(CblasRowMajor, ta, tb, narrow(m), narrow(n), narrow(k), 1.0, a.data, narrow(a.ld), b.data,
                     narrow(b.ld), add ? 1.0 : 0.0, c, narrow(ldc));
}
#endif

}  // namespace

Blas chosen_blas() {
  const auto has_openblas = [] {
#ifdef VOXGRAD_OPENBLAS
    return openblas().sgemm != nullptr;
#else
    return false;
#endif
  };
  const char* wish = std::getenv("VOXGRAD_GEMM");
  if (wish == nullptr || *wish == '\0')
    return VOXGRAD_ISA_LEVEL == 0 && has_openblas() ? Blas::openblas : Blas::builtin;
  if (std::string(wish) == "builtin") return Blas::builtin;
  if (std::string(wish) == "openblas" && has_openblas()) return Blas::openblas;
  throw Error(ErrorKind::usage, text("VOXGRAD_GEMM=", wish, " is unknown, not in this build or not installed"),
              "use builtin, or openblas in a build with -DVOXGRAD_BLAS=openblas, or unset it");
}

std::string blas_description() {
#ifdef VOXGRAD_OPENBLAS
  if (chosen_blas() == Blas::openblas) return "OpenBLAS " + openblas().core;
#endif
  return "built-in matrix products";
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
  if (blas == Blas::openblas && std::max({m, n, k, a.ld, b.ld, ldc}) <= std::numeric_limits<blasint>::max())
    return by_openblas(m, n, k, a, b, add, c, ldc);
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

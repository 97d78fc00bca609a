// The innermost loop of every matrix product: a tile of C, R rows by V vectors, stays in registers while k runs.
// Include this file after isa.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

// The sums need R * V registers and a row of B needs V. So 12 x 2 fits the 32 registers of AVX-512, and 6 x 2 the 16 of
// AVX2.
inline constexpr int kTileRows = VOXGRAD_ISA_LEVEL == 2 ? 12 : 6;
inline constexpr int kTileVectors = 2;
template <class T>
inline constexpr int kTileColumns = kTileVectors* kLanes<T>;

// Element (row, k) of A is a[row * row_stride + k * k_stride]. Row k of B starts at b + k * ldb and is as wide as the
// tile, and so is a row of C. `terms` such products, each of which starts a_term and b_term elements further, are
// summed in registers: these are the depth taps of a convolution. A plain product has one term.
template <class T>
struct Product {
  const T* a;
  std::int64_t row_stride, k_stride;
  const T* b;
  std::int64_t ldb;
  std::int64_t k;
  T* c;
  std::int64_t ldc;
  bool add = false;
  std::int64_t terms = 1, a_term = 0, b_term = 0;
};

// The functions below take the product by reference and pass the moving pointers separately: a copy of the struct per
// tile would cost as much as a small tile.
template <class T, int R, int V>
inline void multiply_tile(const Product<T>& p, const T* a_rows, T* c, std::int64_t ldc) {
  Vec<T> sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = p.add ? load(c + r * ldc + v * kLanes<T>) : Vec<T>{};
  for (std::int64_t term = 0; term < p.terms; ++term) {
    const T* a = a_rows + term * p.a_term;
    const T* b = p.b + term * p.b_term;
    for (std::int64_t k = 0; k < p.k; ++k, a += p.k_stride, b += p.ldb) {
      Vec<T> row[V];
      for (int v = 0; v < V; ++v) row[v] = load(b + v * kLanes<T>);
      for (int r = 0; r < R; ++r) {
        const Vec<T> factor = splat(a[r * p.row_stride]);
        for (int v = 0; v < V; ++v) sum[r][v] += factor * row[v];
      }
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(c + r * ldc + v * kLanes<T>, sum[r][v]);
}

template <class T, int V, int R = kTileRows>
inline void multiply_rows(std::int64_t rows, const Product<T>& p, const T* a, T* c, std::int64_t ldc) {
  if (rows == R) return multiply_tile<T, R, V>(p, a, c, ldc);
  if constexpr (R > 1) multiply_rows<T, V, R - 1>(rows, p, a, c, ldc);
}

// Multiplies any number of rows, cut into tiles of nearly equal height. C is V whole vectors wide.
template <class T, int V>
inline void multiply_strip(std::int64_t rows, const Product<T>& p) {
  const T* a = p.a;
  T* c = p.c;
  while (rows > 0) {
    const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
    const std::int64_t height = (rows + tiles - 1) / tiles;
    multiply_rows<T, V>(height, p, a, c, p.ldc);
    a += height * p.row_stride;
    c += height * p.ldc;
    rows -= height;
  }
}

// Does the same for a C whose `columns` columns do not fill V vectors. The tile is computed in a small copy, so that
// nothing outside of C is touched. B must have whole vectors.
template <class T, int V>
inline void multiply_narrow(std::int64_t rows, std::int64_t columns, const Product<T>& p) {
  constexpr std::int64_t kWidth = V * kLanes<T>;
  T copy[kTileRows * kWidth] = {};
  const int count = static_cast<int>(columns);
  const T* a = p.a;
  T* c = p.c;
  while (rows > 0) {
    const std::int64_t height = std::min<std::int64_t>(kTileRows, rows);
    for (std::int64_t r = 0; r < height && p.add; ++r) copy_few<kWidth / 2>(copy + r * kWidth, c + r * p.ldc, count);
    multiply_rows<T, V>(height, p, a, copy, kWidth);
    for (std::int64_t r = 0; r < height; ++r) copy_few<kWidth / 2>(c + r * p.ldc, copy + r * kWidth, count);
    a += height * p.row_stride;
    c += height * p.ldc;
    rows -= height;
  }
}

// Multiplies any number of rows and up to kTileColumns columns.
template <class T>
inline void multiply_columns(std::int64_t rows, std::int64_t columns, const Product<T>& p) {
  if (columns == kTileColumns<T>) return multiply_strip<T, kTileVectors>(rows, p);
  if (columns == kLanes<T>) return multiply_strip<T, 1>(rows, p);
  if (columns < kLanes<T>) return multiply_narrow<T, 1>(rows, columns, p);
  multiply_narrow<T, kTileVectors>(rows, columns, p);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

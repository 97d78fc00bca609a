// The innermost loop of every product here: a tile of C, R rows by V vectors, held in registers while k runs.
// Include it after isa.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

// Accumulators take R * V registers, B takes V: 12 x 2 fits the 32 registers of AVX-512, 6 x 2 the 16 of AVX2.
inline constexpr int kTileRows = VOXGRAD_ISA_LEVEL == 2 ? 12 : 6;
inline constexpr int kTileVectors = 2;
template <class T>
inline constexpr int kTileColumns = kTileVectors* kLanes<T>;

// Element (row, k) of A is a[row * row_stride + k * k_stride]; row k of B starts at b + k * ldb and is as wide as the
// tile, and so is C. `terms` such products, each starting a_term and b_term elements further, are summed in registers
// (the depth taps of a convolution); one for a plain product.
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

template <class T, int R, int V>
inline void multiply_tile(const Product<T>& p) {
  Vec<T> sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = p.add ? load(p.c + r * p.ldc + v * kLanes<T>) : Vec<T>{};
  for (std::int64_t term = 0; term < p.terms; ++term) {
    const T* a = p.a + term * p.a_term;
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
    for (int v = 0; v < V; ++v) store(p.c + r * p.ldc + v * kLanes<T>, sum[r][v]);
}

template <class T, int V, int R = kTileRows>
inline void multiply_rows(int rows, const Product<T>& p) {
  if (rows == R) return multiply_tile<T, R, V>(p);
  if constexpr (R > 1) multiply_rows<T, V, R - 1>(rows, p);
}

// Any number of rows: cut into tiles of nearly equal height.
template <class T, int V>
inline void multiply_strip(std::int64_t rows, Product<T> p) {
  while (rows > 0) {
    const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
    const std::int64_t height = (rows + tiles - 1) / tiles;
    multiply_rows<T, V>(static_cast<int>(height), p);
    p.a += height * p.row_stride;
    p.c += height * p.ldc;
    rows -= height;
  }
}

// The same for a C of `columns` columns, at most the width of the register tile: a C that is narrower than whole
// vectors goes through a small copy, so that nothing outside of it is touched. B must have whole vectors.
template <class T>
inline void multiply_columns(std::int64_t rows, std::int64_t columns, Product<T> p) {
  if (columns == kTileColumns<T>) return multiply_strip<T, kTileVectors>(rows, p);
  if (columns == kLanes<T>) return multiply_strip<T, 1>(rows, p);
  T copy[kTileRows * kTileColumns<T>];
  T* c = p.c;
  const std::int64_t ldc = p.ldc;
  p.c = copy;
  p.ldc = kTileColumns<T>;
  const std::size_t bytes = static_cast<std::size_t>(columns) * sizeof(T);
  while (rows > 0) {
    const std::int64_t height = std::min<std::int64_t>(kTileRows, rows);
    for (std::int64_t r = 0; r < height && p.add; ++r) std::memcpy(copy + r * p.ldc, c + r * ldc, bytes);
    if (columns < kLanes<T>)
      multiply_strip<T, 1>(height, p);
    else
      multiply_strip<T, kTileVectors>(height, p);
    for (std::int64_t r = 0; r < height; ++r) std::memcpy(c + r * ldc, copy + r * p.ldc, bytes);
    p.a += height * p.row_stride;
    c += height * ldc;
    rows -= height;
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

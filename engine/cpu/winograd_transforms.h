// The five one-dimensional transforms of Winograd's convolution with the points 0, 1, -1, 2, -2, infinity, on vectors
// of channels, and their application to both axes of a tile. Include it after isa.h.
//
//   forward, F(4, 3):  y  = A^T [(G g) * (B^T d)]    d 6 inputs, g 3 weights, y 4 outputs
//   weights, F(3, 4):  dg = A'^T [(G' e) * (B^T d)]  d 6 inputs, e 4 output gradients, dg 3 weight gradients
//
// (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4; row j of G and G' is
// (1, p_j, p_j^2, ..) / product over l != j of (p_j - p_l), column j of A is (1, p_j, p_j^2, ..).)
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA::winograd {

using V = Vec<float>;
inline constexpr std::int64_t kWidth = kLanes<float>;  // channels of a vector

struct InputTransform {  // B^T
  static constexpr int kFrom = 6, kTo = 6;
  static void apply(const V* d, V* o) {
    const V a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
    const V c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
    o[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
  }
};

struct WeightTransform {  // G
  static constexpr int kFrom = 3, kTo = 6;
  static void apply(const V* g, V* o) {
    const V even = (-1.0f / 6) * (g[0] + g[2]), odd = (-1.0f / 6) * g[1];
    const V even2 = (1.0f / 24) * g[0] + (1.0f / 6) * g[2], odd2 = (1.0f / 12) * g[1];
    o[0] = 0.25f * g[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = g[2];
  }
};

struct OutputTransform {  // A^T
  static constexpr int kFrom = 6, kTo = 4;
  static void apply(const V* m, V* o) {
    const V a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    o[0] = m[0] + a + c;
    o[1] = b + 2.0f * d;
    o[2] = a + 4.0f * c;
    o[3] = b + 8.0f * d + m[5];
  }
};

struct OutputGradientTransform {  // G'
  static constexpr int kFrom = 4, kTo = 6;
  static void apply(const V* e, V* o) {
    const V even = (-1.0f / 6) * (e[0] + e[2]), odd = (-1.0f / 6) * (e[1] + e[3]);
    const V even2 = (1.0f / 24) * e[0] + (1.0f / 6) * e[2], odd2 = (1.0f / 12) * e[1] + (1.0f / 3) * e[3];
    o[0] = 0.25f * e[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = e[3];
  }
};

struct WeightGradientTransform {  // A'^T
  static constexpr int kFrom = 6, kTo = 3;
  static void apply(const V* m, V* o) {
    const V a = m[1] + m[2], c = m[3] + m[4];
    o[0] = m[0] + a + c;
    o[1] = m[1] - m[2] + 2.0f * (m[3] - m[4]);
    o[2] = a + 4.0f * c + m[5];
  }
};

// Transforms both axes of a tile. load_element(i, j) returns an element of it, and store_element(i, j, value) takes an
// element of the result.
template <class Transform, class Load, class Store>
inline void transform_tile(Load&& load_element, Store&& store_element) {
  constexpr int kFrom = Transform::kFrom, kTo = Transform::kTo;
  V half[kTo][kFrom];
  for (int j = 0; j < kFrom; ++j) {
    V column[kFrom], result[kTo];
    for (int i = 0; i < kFrom; ++i) column[i] = load_element(i, j);
    Transform::apply(column, result);
    for (int i = 0; i < kTo; ++i) half[i][j] = result[i];
  }
  for (int i = 0; i < kTo; ++i) {
    V result[kTo];
    Transform::apply(half[i], result);
    for (int j = 0; j < kTo; ++j) store_element(i, j, result[j]);
  }
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA::winograd

// Convolutions as matrix products whose operands are gathered while they are read: y[voxel, cout] is the sum over
// (tap, cin) of x[voxel + tap, cin] w[cout, tap, cin], and the two gradients are products of the same kind. A block
// makes a tile of the result from tiles of the operands in shared memory. Long sums, those of the weights over all
// voxels, are cut into pieces that are added up in order.
#include "engine/cuda/direct.h"

#include "engine/cuda/bf16.h"
#include "engine/cuda/context.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/volume.h"

namespace voxgrad::cuda {
namespace {

constexpr int kTile = 16;

struct Geometry {
  Volume in, out;
  PerAxis kernel, stride, padding, dilation;
  Geometry(const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& g)
      : in(x),
        out(y),
        kernel(kernel_of(weight)),
        stride(g.stride, x),
        padding(g.padding, x, 0),
        dilation(g.dilation, x) {}
  std::int64_t taps() const { return kernel.at[0] * kernel.at[1] * kernel.at[2]; }

  // The voxel of the input that output `v` reads at a tap; -1: outside.
  __device__ std::int64_t input(const Volume::Voxel& v, std::int64_t tap) const {
    std::int64_t at[3];
    for (int axis = 2; axis >= 0; --axis) {
      const Division place = divide(tap, kernel.at[axis]);
      at[axis] = v.at[axis] * stride.at[axis] - padding.at[axis] + place.rest * dilation.at[axis];
      if (at[axis] < 0 || at[axis] >= in.extent[axis]) return -1;
      tap = place.quotient;
    }
    return in.index(v.n, at[0], at[1], at[2]);
  }
  // The voxel of the output that reads input `v` at a tap; -1: none.
  __device__ std::int64_t output(const Volume::Voxel& v, std::int64_t tap) const {
    std::int64_t at[3];
    for (int axis = 2; axis >= 0; --axis) {
      const Division place = divide(tap, kernel.at[axis]);
      const std::int64_t position = v.at[axis] + padding.at[axis] - place.rest * dilation.at[axis];
      if (position < 0) return -1;
      const Division step = divide(position, stride.at[axis]);
      if (step.rest != 0 || step.quotient >= out.extent[axis]) return -1;
      at[axis] = step.quotient;
      tap = place.quotient;
    }
    return out.index(v.n, at[0], at[1], at[2]);
  }

 private:
  static PerAxis kernel_of(const Shape& weight) {  // [Cout, *K, Cin]
    PerAxis kernel(Extents(1), weight);
    const Volume as_volume(weight);
    for (int axis = 0; axis < 3; ++axis) kernel.at[axis] = as_volume.extent[axis];
    return kernel;
  }
};

// A product has: rows, columns, inner; left(row, k) and right(k, column), the elements of its operands.
template <class T>
struct Forward {  // [voxels, Cout], inner (tap, Cin)
  Geometry g;
  const T *x, *w;
  std::int64_t rows, columns, inner;
  __device__ Work<T> left(std::int64_t row, std::int64_t k) const {
    const Division at = divide(k, g.in.channels);
    const std::int64_t voxel = g.input(g.out.voxel(row), at.quotient);
    return voxel < 0 ? Work<T>(0) : Work<T>(x[voxel * g.in.channels + at.rest]);
  }
  __device__ Work<T> right(std::int64_t k, std::int64_t column) const { return w[column * inner + k]; }
};

template <class T>
struct InputGradient {  // [voxels, Cin], inner (tap, Cout)
  Geometry g;
  const T *dy, *w;
  std::int64_t rows, columns, inner, taps;
  __device__ Work<T> left(std::int64_t row, std::int64_t k) const {
    const Division at = divide(k, g.out.channels);
    const std::int64_t voxel = g.output(g.in.voxel(row), at.quotient);
    return voxel < 0 ? Work<T>(0) : Work<T>(dy[voxel * g.out.channels + at.rest]);
  }
  __device__ Work<T> right(std::int64_t k, std::int64_t column) const {
    const Division at = divide(k, g.out.channels);
    return w[(at.rest * taps + at.quotient) * g.in.channels + column];
  }
};

template <class T>
struct WeightGradient {  // [Cout, (tap, Cin)], inner voxels
  Geometry g;
  const T *x, *dy;
  std::int64_t rows, columns, inner;
  __device__ Work<T> left(std::int64_t row, std::int64_t k) const { return dy[k * g.out.channels + row]; }
  __device__ Work<T> right(std::int64_t k, std::int64_t column) const {
    const Division at = divide(column, g.in.channels);
    const std::int64_t voxel = g.input(g.out.voxel(k), at.quotient);
    return voxel < 0 ? Work<T>(0) : Work<T>(x[voxel * g.in.channels + at.rest]);
  }
};

// Piece p of the product, computed in T, is written to result + p * rows * columns.
template <class Product, class T, class To>
__global__ void product_kernel(Product product, std::int64_t pieces, To* result) {
  __shared__ T left[kTile][kTile + 1], right[kTile][kTile + 1];
  const Division unit = divide(block_index(), (product.columns + kTile - 1) / kTile),
                 strip = divide(unit.quotient, pieces);
  const std::int64_t row0 = strip.quotient * kTile, column0 = unit.rest * kTile,
                     length = (product.inner + pieces - 1) / pieces, first = strip.rest * length;
  const std::int64_t last = first + length < product.inner ? first + length : product.inner;
  const int i = thread_index() / kTile, j = thread_index() % kTile;
  T sum = 0;
  for (std::int64_t k = first; k < last; k += kTile) {
    left[i][j] = row0 + i < product.rows && k + j < last ? product.left(row0 + i, k + j) : T(0);
    right[i][j] = k + i < last && column0 + j < product.columns ? product.right(k + i, column0 + j) : T(0);
    __syncthreads();
#pragma unroll
    for (int t = 0; t < kTile; ++t) sum += left[i][t] * right[t][j];
    __syncthreads();
  }
  if (row0 + i < product.rows && column0 + j < product.columns)
    result[(strip.rest * product.rows + row0 + i) * product.columns + column0 + j] = sum;
}

template <class T, class To>
__global__ void add_pieces_kernel(const T* pieces, std::int64_t count, To* result, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    T sum = 0;
    for (std::int64_t piece = 0; piece < count; ++piece) sum += pieces[piece * n + i];
    result[i] = sum;
  }
}

template <class Product, class T>
void run(const Product& product, T* result) {
  constexpr std::int64_t kBlocks = 1024, kLongPiece = 4096;
  const std::int64_t size = product.rows * product.columns;
  if (size == 0) return;
  const std::int64_t tiles = ((product.rows + kTile - 1) / kTile) * ((product.columns + kTile - 1) / kTile);
  const std::int64_t pieces =
      std::clamp<std::int64_t>(product.inner / kLongPiece, 1, std::max<std::int64_t>(1, kBlocks / tiles));
  const Grid grid(tiles * pieces, kTile * kTile);
  if (pieces == 1) return launch(product_kernel<Product, Work<T>, T>, grid, product, pieces, result);
  const Scratch<Work<T>> partial(pieces * size);
  launch(product_kernel<Product, Work<T>, Work<T>>, grid, product, pieces, partial.data());
  launch(add_pieces_kernel<Work<T>, T>, grid_for(size), partial.data(), pieces, result, size);
}

}  // namespace

void direct_conv(const Tensor& x, const Tensor& weight, const ConvOptions& options, const Tensor& y) {
  const Geometry g(x.shape(), weight.shape(), y.shape(), options);
  dispatch_stored(y.dtype(), "conv", [&]<class T>(T) {
    run(Forward<T>{g, x.data<T>(), weight.data<T>(), g.out.voxels(), g.out.channels, g.taps() * g.in.channels},
        y.data<T>());
  });
}

void direct_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options, const Tensor& dx) {
  const Geometry g(dx.shape(), weight.shape(), dy.shape(), options);
  dispatch_stored(dx.dtype(), "conv", [&]<class T>(T) {
    run(InputGradient<T>{g, dy.data<T>(), weight.data<T>(), g.in.voxels(), g.in.channels, g.taps() * g.out.channels,
                         g.taps()},
        dx.data<T>());
  });
}

void direct_weight_gradient(const Tensor& x, const Tensor& dy, const ConvOptions& options, const Tensor& dweight) {
  const Geometry g(x.shape(), dweight.shape(), dy.shape(), options);
  dispatch_stored(dweight.dtype(), "conv", [&]<class T>(T) {
    run(WeightGradient<T>{g, x.data<T>(), dy.data<T>(), g.out.channels, g.taps() * g.in.channels, g.out.voxels()},
        dweight.data<T>());
  });
}

}  // namespace voxgrad::cuda

// Convolution on the CPU, the general path: blocks of patches (im2col.h) times the weights. Any kernel, stride,
// padding, dilation and number of channels; f32 and f64.
#include <algorithm>

#include "engine/cpu/conv_plan.h"
#include "engine/cpu/conv_shape.h"
#include "engine/cpu/direct.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/im2col.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kPatchBytes = 1 << 18;    // a block of patches stays in the L2 cache
constexpr std::int64_t kPartialBytes = 8 << 20;  // partial sums of a weight gradient, all together
constexpr std::int64_t kTasks = 16;              // a large layer is cut into at least so many

// Rows of a block: by shape alone, so that results do not depend on the number of threads.
std::int64_t block_rows(const PatchGrid& grid, std::size_t element_bytes) {
  const std::int64_t bytes = std::max<std::int64_t>(1, grid.depth()) * static_cast<std::int64_t>(element_bytes);
  return std::clamp<std::int64_t>(std::min(kPatchBytes / bytes, block_count(grid.rows(), kTasks)), 48, 2048);
}

// destination = bias + patches * matrix [taps * channels, cout], for the rows [begin, end) of a grid.
template <class T>
void convolve_rows(Blas blas, const PatchGrid& grid, const T* source, Matrix<T> matrix, const T* bias,
                   std::int64_t cout, T* destination, std::int64_t begin, std::int64_t end) {
  const bool gather = !grid.is_identity(), scatter = !grid.fills_target();
  const std::int64_t depth = grid.depth(), count = end - begin;
  const Scratch<T> patches(gather ? count * depth : 0), result(scatter ? count * cout : 0);
  if (gather) gather_patches(grid, source, begin, end, 0, grid.taps.size(), patches.data());
  T* const rows = scatter ? result.data() : destination + begin * cout;
  if (bias != nullptr)
    for (std::int64_t row = 0; row < count; ++row) std::copy(bias, bias + cout, rows + row * cout);
  gemm<T>(blas, count, cout, depth, {gather ? patches.data() : source + begin * depth, depth}, matrix, bias != nullptr,
          rows, cout);
  if (scatter) scatter_rows(grid, rows, begin, end, cout, destination);
}

template <class T>
void convolve_forward(const ConvShape& s, const T* x, const T* weight, const T* bias, T* y) {
  const PatchGrid grid = forward_grid(s);
  const Blas blas = chosen_blas();
  parallel_for(grid.rows(), block_rows(grid, sizeof(T)), [&](std::int64_t begin, std::int64_t end) {
    convolve_rows<T>(blas, grid, x, {weight, grid.depth(), true}, bias, s.cout, y, begin, end);
  });
}

// weight [Cout, K, Cin] to [taps, Cout, Cin]: the matrix of one grid of the input gradient.
template <class T>
void select_taps(const PatchGrid& grid, const ConvShape& s, const T* weight, T* matrix) {
  const std::int64_t kernel = volume(s.kernel);
  parallel_for(static_cast<std::int64_t>(grid.taps.size()), 1, [&](std::int64_t tap, std::int64_t) {
    for (std::int64_t co = 0; co < s.cout; ++co) {
      const T* row = weight + (co * kernel + grid.taps[static_cast<std::size_t>(tap)].kernel) * s.cin;
      std::copy(row, row + s.cin, matrix + (tap * s.cout + co) * s.cin);
    }
  });
}

// A task takes the same part of every grid: it reads dy once, and its voxels of dx are neighbours.
template <class T>
void convolve_backward(const ConvShape& s, const T* dy, const T* weight, T* dx) {
  const std::vector<PatchGrid> grids = input_gradient_grids(s);
  const Blas blas = chosen_blas();
  const Scratch<T> matrices(volume(s.kernel) * s.cout * s.cin);  // every tap belongs to at most one grid
  std::vector<T*> matrix_of;
  std::int64_t blocks = 1;
  T* next = matrices.data();
  for (const PatchGrid& grid : grids) {
    select_taps(grid, s, weight, next);
    matrix_of.push_back(next);
    next += grid.depth() * s.cin;
    blocks = std::max(blocks, block_count(grid.rows(), block_rows(grid, sizeof(T))));
  }
  parallel_for(blocks, 1, [&](std::int64_t block, std::int64_t) {
    for (std::size_t i = 0; i < grids.size(); ++i)
      convolve_rows<T>(blas, grids[i], dy, {matrix_of[i], s.cin}, nullptr, s.cin, dx, grids[i].rows() * block / blocks,
                       grids[i].rows() * (block + 1) / blocks);
  });
}

// dweight [Cout, taps, Cin] = sum over rows of dy^T patches. The rows are cut into slices, each with a sum of its own,
// and the taps into groups; both by shape. The slices are added in order.
template <class T>
void accumulate_weights(Blas blas, const ConvShape& s, const T* x, const T* dy, T* dweight) {
  const PatchGrid grid = forward_grid(s);
  const std::int64_t taps = volume(s.kernel), depth = grid.depth(), elements = s.cout * depth;
  const std::int64_t block = block_rows(grid, sizeof(T));
  const std::int64_t bytes = std::max<std::int64_t>(1, elements * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t slices =
      std::max<std::int64_t>(1, std::min({kTasks, kPartialBytes / bytes, block_count(grid.rows(), block)}));
  const std::int64_t groups = std::min(taps, block_count(kTasks, slices));
  const std::int64_t slice_rows = block_count(block_count(grid.rows(), slices), block) * block;
  const Scratch<T> partial(slices > 1 ? slices * elements : 0);
  T* const sums = slices > 1 ? partial.data() : dweight;
  parallel_for(slices * groups, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t slice = task / groups, group = task % groups;
    const std::int64_t first_tap = taps * group / groups, last_tap = taps * (group + 1) / groups;
    const std::int64_t columns = (last_tap - first_tap) * s.cin;
    const bool gather = !grid.is_identity();
    const Scratch<T> patches(gather ? block * columns : 0);
    T* const sum = sums + slice * elements + first_tap * s.cin;
    const std::int64_t end = std::min(grid.rows(), (slice + 1) * slice_rows);
    const std::int64_t start = slice * slice_rows;
    gemm<T>(blas, s.cout, columns, 0, {}, {}, false, sum, depth);
    for (std::int64_t row = start; row < end; row += block) {
      const std::int64_t count = std::min(block, end - row);
      if (gather)
        gather_patches(grid, x, row, row + count, static_cast<std::size_t>(first_tap),
                       static_cast<std::size_t>(last_tap), patches.data());
      gemm<T>(blas, s.cout, columns, count, {dy + row * s.cout, s.cout, true},
              {gather ? patches.data() : x + row * columns, columns}, true, sum, depth);
    }
  });
  if (slices > 1)
    parallel_for(elements, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      std::copy(sums + begin, sums + end, dweight + begin);
      for (std::int64_t slice = 1; slice < slices; ++slice)
        for (std::int64_t i = begin; i < end; ++i) dweight[i] += sums[slice * elements + i];
    });
}

}  // namespace

void CpuBackend::conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvGeometry& geometry,
                      const Tensor& y) {
  const ConvShape s = conv_shape(x.shape(), weight.shape(), y.shape(), geometry);
  const ConvKernel kernel = plan_conv(ConvPass::forward, x.dtype(), s).kernel;
  if (kernel == ConvKernel::winograd)
    return winograd::convolve(s, x.data<float>(), winograd::forward_weights(s, weight.data<float>()),
                              bias.defined() ? bias.data<float>() : nullptr, y.data<float>());
  dispatch_float(x.dtype(), "conv", [&]<class T>(T) {
    const T* const b = bias.defined() ? bias.data<T>() : nullptr;
    if (kernel == ConvKernel::direct) return direct::convolve(s, x.data<T>(), weight.data<T>(), b, y.data<T>());
    convolve_forward<T>(s, x.data<T>(), weight.data<T>(), b, y.data<T>());
  });
}

void CpuBackend::conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvGeometry& geometry,
                                     const Tensor& dx) {
  const ConvShape s = conv_shape(dx.shape(), weight.shape(), dy.shape(), geometry);
  if (plan_conv(ConvPass::input_gradient, dy.dtype(), s).kernel == ConvKernel::winograd)
    return winograd::convolve(input_gradient_shape(s), dy.data<float>(),
                              winograd::gradient_weights(s, weight.data<float>()), nullptr, dx.data<float>());
  dispatch_float(dy.dtype(), "conv_input_gradient",
                 [&]<class T>(T) { convolve_backward<T>(s, dy.data<T>(), weight.data<T>(), dx.data<T>()); });
}

void CpuBackend::conv_weight_gradient(const Tensor& x, const Tensor& dy, const ConvGeometry& geometry,
                                      const Tensor& dweight) {
  const ConvShape s = conv_shape(x.shape(), dweight.shape(), dy.shape(), geometry);
  const ConvKernel kernel = plan_conv(ConvPass::weight_gradient, x.dtype(), s).kernel;
  if (kernel == ConvKernel::winograd)
    return winograd::weight_gradient(s, x.data<float>(), dy.data<float>(), dweight.data<float>());
  dispatch_float(x.dtype(), "conv_weight_gradient", [&]<class T>(T) {
    if (kernel == ConvKernel::direct) return direct::weight_gradient(s, x.data<T>(), dy.data<T>(), dweight.data<T>());
    accumulate_weights<T>(chosen_blas(), s, x.data<T>(), dy.data<T>(), dweight.data<T>());
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

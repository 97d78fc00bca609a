// Convolution on the CPU. CpuBackend::conv asks plan_conv which kernel computes the layer: Winograd (winograd.h),
// direct (direct.h) or the general path in this file, which multiplies blocks of patches (im2col.h) with the weights.
// The general path takes any kernel, stride, padding, dilation and number of channels, in f32 and f64.
#include <algorithm>

#include "engine/cpu/conv_plan.h"
#include "engine/cpu/conv_shape.h"
#include "engine/cpu/direct.h"
#include "engine/cpu/gemm.h"
#include "engine/cpu/im2col.h"
#include "engine/cpu/scratch.h"
#include "engine/cpu/winograd.h"

#include "engine/cpu/isa.h"
#include "engine/cpu/map_reader.h"
#include "engine/cpu/moments.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kPatchBytes = 1 << 18;    // a block of patches stays in the L2 cache
constexpr std::int64_t kPartialBytes = 8 << 20;  // partial sums of a weight gradient, all together
constexpr std::int64_t kConvTasks = 16;          // a large layer is cut into at least this many tasks

// The rows of a block. They follow from the shape alone, so that results do not depend on the number of threads.
std::int64_t block_rows(const PatchGrid& grid, std::size_t element_bytes) {
  const std::int64_t bytes = std::max<std::int64_t>(1, grid.depth()) * static_cast<std::int64_t>(element_bytes);
  return std::clamp<std::int64_t>(std::min(kPatchBytes / bytes, block_count(grid.rows(), kConvTasks)), 48, 2048);
}

// destination = bias + patches * matrix [taps * channels, cout], for the rows [begin, end) of a grid. A map that is
// normalised as it is read needs a grid whose patches are the rows of the map.
template <class T>
void convolve_rows(Blas blas, const PatchGrid& grid, const MapReader<T>& source, Matrix<T> matrix, const T* bias,
                   std::int64_t cout, T* destination, std::int64_t begin, std::int64_t end) {
  const bool gather = !grid.is_identity(), scatter = !grid.fills_target();
  const std::int64_t depth = grid.depth(), count = end - begin;
  const Scratch<T> patches(gather || !source.plain() ? count * depth : 0), result(scatter ? count * cout : 0);
  if (gather) gather_patches(grid, source.x, begin, end, 0, std::ssize(grid.taps), patches.data());
  const T* const factors = gather ? patches.data() : source.read(begin, end, patches.data());
  T* const rows = scatter ? result.data() : destination + begin * cout;
  if (bias != nullptr)
    for (std::int64_t row = 0; row < count; ++row) std::copy(bias, bias + cout, rows + row * cout);
  gemm<T>(blas, count, cout, depth, {factors, depth}, matrix, bias != nullptr, rows, cout);
  if (scatter) scatter_rows(grid, rows, begin, end, cout, destination);
}

template <class T>
void convolve_forward(const ConvShape& s, const MapReader<T>& x, const T* weight, const T* bias, T* y) {
  const PatchGrid grid = forward_grid(s);
  const Blas blas = chosen_blas();
  parallel_for(grid.rows(), block_rows(grid, sizeof(T)), [&](std::int64_t begin, std::int64_t end) {
    convolve_rows<T>(blas, grid, x, {weight, grid.depth(), true}, bias, s.cout, y, begin, end);
  });
}

// Copies weight [Cout, K, Cin] to [taps, Cout, Cin], the matrix of one grid of the input gradient.
template <class T>
void select_taps(const PatchGrid& grid, const ConvShape& s, const T* weight, T* matrix) {
  const std::int64_t kernel = volume(s.kernel);
  parallel_for(std::ssize(grid.taps), 1, [&](std::int64_t tap, std::int64_t) {
    for (std::int64_t co = 0; co < s.cout; ++co) {
      const T* row = weight + (co * kernel + nth(grid.taps, tap).kernel) * s.cin;
      std::copy(row, row + s.cin, matrix + (tap * s.cout + co) * s.cin);
    }
  });
}

// A task computes the same part of every grid: so it reads dy once, and its voxels of dx are neighbours.
template <class T>
void convolve_backward(const ConvShape& s, const MapReader<T>& dy, const T* weight, const T* bias, T* dx) {
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
      convolve_rows<T>(blas, grids[i], dy, {matrix_of[i], s.cin}, bias, s.cin, dx, grids[i].rows() * block / blocks,
                       grids[i].rows() * (block + 1) / blocks);
  });
}

// dweight [Cout, taps, Cin] = sum over rows of dy^T patches. The rows are cut into slices, each of which has a sum of
// its own, and the taps into groups. Both depend on the shape alone. The slices are added in order.
template <class T>
void accumulate_weights(Blas blas, const ConvShape& s, const MapReader<T>& x, const MapReader<T>& dy, T* dweight) {
  const PatchGrid grid = forward_grid(s);
  const std::int64_t taps = volume(s.kernel), depth = grid.depth(), elements = s.cout * depth;
  const std::int64_t block = block_rows(grid, sizeof(T));
  const std::int64_t bytes = std::max<std::int64_t>(1, elements * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t slices =
      std::max<std::int64_t>(1, std::min({kConvTasks, kPartialBytes / bytes, block_count(grid.rows(), block)}));
  const std::int64_t groups = std::min(taps, block_count(kConvTasks, slices));
  const std::int64_t slice_rows = block_count(block_count(grid.rows(), slices), block) * block;
  const Scratch<T> partial(slices > 1 ? slices * elements : 0);
  T* const sums = slices > 1 ? partial.data() : dweight;
  parallel_for(slices * groups, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t slice = task / groups, group = task % groups;
    const std::int64_t first_tap = taps * group / groups, last_tap = taps * (group + 1) / groups;
    const std::int64_t columns = (last_tap - first_tap) * s.cin;
    const bool gather = !grid.is_identity();
    const Scratch<T> patches(gather || !x.plain() ? block * columns : 0), gradient(dy.plain() ? 0 : block * s.cout);
    T* const sum = sums + slice * elements + first_tap * s.cin;
    const std::int64_t end = std::min(grid.rows(), (slice + 1) * slice_rows);
    const std::int64_t start = slice * slice_rows;
    gemm<T>(blas, s.cout, columns, 0, {}, {}, false, sum, depth);
    for (std::int64_t row = start; row < end; row += block) {
      const std::int64_t count = std::min(block, end - row);
      if (gather) gather_patches(grid, x.x, row, row + count, first_tap, last_tap, patches.data());
      gemm<T>(blas, s.cout, columns, count, {dy.read(row, row + count, gradient.data()), s.cout, true},
              {gather ? patches.data() : x.read(row, row + count, patches.data()), columns}, true, sum, depth);
    }
  });
  if (slices > 1)
    parallel_for(elements, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      std::copy(sums + begin, sums + end, dweight + begin);
      for (std::int64_t slice = 1; slice < slices; ++slice)
        for (std::int64_t i = begin; i < end; ++i) dweight[i] += sums[slice * elements + i];
    });
}

// Returns a map that the general path can read. A deferred normalisation is carried out here unless the patches are the
// rows of the map.
FeatureMap for_rows(const std::vector<FeatureMap>& inputs, bool patches_are_rows) {
  if (inputs.size() == 1 && (!inputs[0].deferred() || patches_are_rows)) return inputs[0];
  return materialised(inputs);
}

winograd::MapReaders readers_of(const std::vector<FeatureMap>& inputs) {
  winograd::MapReaders readers;
  for (const FeatureMap& input : inputs) readers.emplace_back(input);
  return readers;
}

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

// Merges the blocks of a sample and the channels of a group, in order.
void store_statistics(const winograd::BlockMoments& blocks, const ConvShape& s, double eps, const Tensor& mean,
                      const Tensor& rstd) {
  const std::int64_t maps = mean.extent(0), groups = mean.extent(1), size = s.cout / groups;
  auto all = zero_vector<Moments>(maps * groups);
  for (std::int64_t unit = 0; unit < std::ssize(blocks.count); ++unit) {
    const double count = nth(blocks.count, unit);
    const std::int64_t sample = nth(blocks.first_sample, unit / blocks.slots) + unit % blocks.slots;
    const std::int64_t map = maps == 1 ? 0 : sample;
    for (std::int64_t c = 0; c < s.cout && count > 0; ++c) {
      const std::int64_t from = unit * blocks.stride + c;
      nth(all, map * groups + c / size).merge({count, nth(blocks.mean, from), nth(blocks.m2, from)});
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    mean.data<float>()[i] = static_cast<float>(all[i].mean);
    rstd.data<float>()[i] = static_cast<float>(all[i].rstd(eps));
  }
}

// Computes dx, or the output of a transposed convolution, plus bias.
void backward(const FeatureMap& dy, const Tensor& weight, const Tensor& bias, const ConvOptions& options,
              const Tensor& dx) {
  const ConvShape s = conv_shape(dx.shape(), weight.shape(), dy.shape(), options);
  if (plan_conv(ConvPass::input_gradient, dx.dtype(), s).kernel == ConvKernel::winograd)
    return winograd::convolve(input_gradient_shape(s), readers_of({dy}),
                              winograd::gradient_weights(s, weight.data<float>()), data_or_null<float>(bias),
                              {{dx.data<float>(), s.cin}});
  const std::vector<PatchGrid> grids = input_gradient_grids(s);
  const bool rows = std::all_of(grids.begin(), grids.end(), [](const PatchGrid& grid) { return grid.is_identity(); });
  const FeatureMap source = for_rows({dy}, rows);
  dispatch_float(dx.dtype(), "conv_input_gradient", [&]<class T>(T) {
    convolve_backward<T>(s, MapReader<T>(source), weight.data<T>(), data_or_null<T>(bias), dx.data<T>());
  });
}

void weight_gradient(const std::vector<FeatureMap>& inputs, const FeatureMap& dy, const ConvOptions& options,
                     const Tensor& dweight) {
  const ConvShape s = conv_shape(inputs[0].shape().with(-1, dweight.extent(-1)), dweight.shape(), dy.shape(), options);
  const ConvKernel kernel = plan_conv(ConvPass::weight_gradient, dweight.dtype(), s).kernel;
  if (kernel == ConvKernel::winograd)
    return winograd::weight_gradient(s, readers_of(inputs), materialised({dy}).data<float>(), dweight.data<float>());
  const FeatureMap x = for_rows(inputs, kernel == ConvKernel::gemm && forward_grid(s).is_identity());
  dispatch_float(dweight.dtype(), "conv_weight_gradient", [&]<class T>(T) {
    if (kernel == ConvKernel::direct)
      return direct::weight_gradient(s, x.x.data<T>(), materialised({dy}).data<T>(), dweight.data<T>());
    accumulate_weights<T>(chosen_blas(), s, MapReader<T>(x), MapReader<T>(dy), dweight.data<T>());
  });
}

}  // namespace

void CpuBackend::conv(const std::vector<FeatureMap>& inputs, const Tensor& weight, const Tensor& bias,
                      const ConvOptions& options, const Tensor& y, double eps, const Tensor& mean, const Tensor& rstd) {
  const ConvShape s = conv_shape(inputs[0].shape().with(-1, weight.extent(-1)), weight.shape(), y.shape(), options);
  const ConvKernel kernel = plan_conv(ConvPass::forward, y.dtype(), s).kernel;
  if (kernel == ConvKernel::winograd && s.batch > 0) {
    winograd::BlockMoments moments;
    winograd::convolve(s, readers_of(inputs), winograd::forward_weights(s, weight.data<float>()),
                       data_or_null<float>(bias), {{y.data<float>(), s.cout}}, mean.defined() ? &moments : nullptr);
    if (mean.defined()) store_statistics(moments, s, eps, mean, rstd);
    return;
  }
  const FeatureMap x = for_rows(inputs, kernel == ConvKernel::gemm && forward_grid(s).is_identity());
  dispatch_float(y.dtype(), "conv", [&]<class T>(T) {
    const T* const b = data_or_null<T>(bias);
    if (kernel == ConvKernel::direct) return direct::convolve(s, x.x.data<T>(), weight.data<T>(), b, y.data<T>());
    convolve_forward<T>(s, MapReader<T>(x), weight.data<T>(), b, y.data<T>());
  });
  if (mean.defined()) norm_statistics(y, eps, mean, rstd);
}

void CpuBackend::conv_input_gradient(const Tensor& dy, const Tensor& weight, const ConvOptions& options,
                                     const std::vector<Tensor>& dx) {
  if (dx.size() == 1) return backward(dy, weight, {}, options, dx[0]);
  const ConvShape s = conv_shape(dx[0].shape().with(-1, weight.extent(-1)), weight.shape(), dy.shape(), options);
  const bool whole_vectors =
      std::all_of(dx.begin(), dx.end() - 1, [](const Tensor& part) { return part.extent(-1) % kLanes<float> == 0; });
  if (!whole_vectors || plan_conv(ConvPass::input_gradient, dy.dtype(), s).kernel != ConvKernel::winograd)
    return Backend::conv_input_gradient(dy, weight, options, dx);
  winograd::Targets targets;
  for (const Tensor& part : dx) targets.push_back({part.data<float>(), part.extent(-1)});
  winograd::convolve(input_gradient_shape(s), readers_of({dy}), winograd::gradient_weights(s, weight.data<float>()),
                     nullptr, targets);
}

void CpuBackend::conv_weight_gradient(const std::vector<FeatureMap>& inputs, const Tensor& dy,
                                      const ConvOptions& options, const Tensor& dweight) {
  weight_gradient(inputs, dy, options, dweight);
}

void CpuBackend::conv_transpose(const FeatureMap& x, const Tensor& weight, const Tensor& bias,
                                const ConvOptions& options, const Tensor& y) {
  backward(x, weight, bias, options, y);
}

void CpuBackend::conv_transpose_weight_gradient(const FeatureMap& x, const Tensor& dy, const ConvOptions& options,
                                                const Tensor& dweight) {
  weight_gradient({dy}, x, options, dweight);
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

// The nearest component of every voxel, and sums over numbered parts. Components and skeletons follow paths of voxels,
// one after the other: the CPU does that (engine/composed.cpp). In a training they are fields of whole cases, which the
// loader makes on the host anyway.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/cuda/context.h"
#include "engine/cuda/cuda_backend.h"
#include "engine/cuda/device.h"
#include "engine/cuda/strided.h"
#include "engine/distance_grid.h"

namespace voxgrad::cuda {
namespace {

struct Nearest {
  double square;
  std::int32_t id;
};

__global__ void seeds_kernel(const std::int32_t* ids, std::int64_t voxels, std::int64_t width, double far,
                             Nearest* seeds) {
  for (std::int64_t i = first_index(); i < voxels; i += index_step())
    seeds[i] = {ids[i * width] != 0 ? 0.0 : far, ids[i * width]};
}

// A thread searches outwards from its voxel along an axis of n voxels that are `inner` apart, until the line alone is
// longer than the best so far.
__global__ void nearest_kernel(const Nearest* from, std::int64_t voxels, Divisor inner, Divisor n, double weight,
                               Nearest* to) {
  for (std::int64_t v = first_index(); v < voxels; v += index_step()) {
    const std::int64_t i = divide(divide(v, inner).quotient, n).rest;
    Nearest best = from[v];
    for (std::int64_t k = 1; k < n.value; ++k) {
      const double along = weight * static_cast<double>(k * k);
      if (along > best.square) break;
      for (int side = -1; side <= 1; side += 2) {
        const std::int64_t j = i + side * k;
        if (j < 0 || j >= n.value) continue;
        const Nearest there = from[v + side * k * inner.value];
        const double square = there.square + along;
        if (square < best.square || (square == best.square && there.id < best.id)) best = {square, there.id};
      }
    }
    to[v] = best;
  }
}

__global__ void ids_kernel(const Nearest* found, std::int64_t voxels, std::int64_t width, std::int32_t* ids) {
  for (std::int64_t i = first_index(); i < voxels; i += index_step()) ids[i * width] = found[i].id;
}

struct Segments {
  std::int64_t voxels, width, columns, count, lanes;  // of a sample; width: channels of x, columns: of the ids
};

// parts is [samples, columns, count, lanes]. A thread adds up every `lanes`-th voxel of one column of one sample, so
// that the order is fixed and neighbours read neighbours.
template <class T>
__global__ void segment_parts_kernel(const T* x, const std::int32_t* ids, Segments s, std::int64_t threads,
                                     double* parts) {
  for (std::int64_t thread = first_index(); thread < threads; thread += index_step()) {
    const std::int64_t lane = thread % s.lanes, column = thread / s.lanes;  // column of all samples
    const std::int64_t sample = column / s.columns, k = column % s.columns;
    double* const sums = parts + column * s.count * s.lanes + lane;
    for (std::int64_t i = 0; i < s.count; ++i) sums[i * s.lanes] = 0;
    for (std::int64_t v = sample * s.voxels + lane; v < (sample + 1) * s.voxels; v += s.lanes) {
      const std::int64_t id = ids[v * s.columns + k];
      if (id < 0 || id >= s.count) continue;
      sums[id * s.lanes] += static_cast<double>(x[v * s.width + (s.width == 1 ? 0 : k)]);
    }
  }
}

// A block per sum.
__global__ void segment_sums_kernel(const double* parts, Segments s, double* y) {
  const std::int64_t column = block_index() / s.count, segment = block_index() % s.count;
  double sum = 0;
  for (std::int64_t lane = thread_index(); lane < s.lanes; lane += block_size())
    sum += parts[block_index() * s.lanes + lane];
  sum = block_sum(sum);
  if (thread_index() == 0) y[(column / s.columns * s.count + segment) * s.columns + column % s.columns] = sum;
}

template <class T>
__global__ void segment_gradient_kernel(const std::int32_t* ids, const double* dy, Segments s, std::int64_t voxels,
                                        T* dx) {
  for (std::int64_t v = first_index(); v < voxels; v += index_step()) {
    const double* const slope = dy + v / s.voxels * s.count * s.columns;
    double total = 0;
    for (std::int64_t k = 0; k < s.columns; ++k) {
      const std::int64_t id = ids[v * s.columns + k];
      const double here = id < 0 || id >= s.count ? 0.0 : slope[id * s.columns + k];
      if (s.width > 1) dx[v * s.width + k] = static_cast<T>(here);
      total += here;
    }
    if (s.width == 1) dx[v] = static_cast<T>(total);
  }
}

// 4096 lanes, fewer where the sums of all of them would take more than 2^24 numbers.
Segments segments_of(const Tensor& x, const Tensor& ids, const Tensor& sums) {
  const std::int64_t columns = ids.extent(-1), count = sums.extent(1);
  std::int64_t lanes = 4096;
  while (lanes > kWarp && lanes * sums.numel() > std::int64_t{1} << 24) lanes /= 2;
  return {x.numel() / std::max<std::int64_t>(1, x.extent(0) * x.extent(-1)), x.extent(-1), columns, count, lanes};
}

}  // namespace

void CudaBackend::components(const Tensor& labels, const std::vector<int>& classes, int connectivity, const Tensor& y) {
  Backend::components(labels, classes, connectivity, y);
}

void CudaBackend::skeleton(const Tensor& mask, const Tensor& y) { Backend::skeleton(mask, y); }

void CudaBackend::nearest(const Tensor& ids, const std::vector<double>& spacing, const Tensor& y) {
  if (ids.numel() == 0) return;
  const std::int64_t width = ids.extent(-1), voxels = ids.numel() / width;
  const DistanceGrid grid(Shape(std::span(ids.shape().begin(), ids.shape().end() - 1)), spacing);
  const Scratch<Nearest> first(voxels), second(voxels);
  for (std::int64_t k = 0; k < width; ++k) {
    Nearest *from = first.data(), *to = second.data();
    launch(seeds_kernel, grid_for(voxels), ids.data<std::int32_t>() + k, voxels, width,
           std::numeric_limits<double>::infinity(), from);
    std::int64_t inner = 1;
    for (std::size_t axis = 3; axis-- > 0; inner *= grid.extent[axis]) {
      if (grid.extent[axis] == 1) continue;
      launch(nearest_kernel, grid_for(voxels), static_cast<const Nearest*>(from), voxels, Divisor(inner),
             Divisor(grid.extent[axis]), static_cast<float>(grid.weight[axis]), to);  // rounded as on the CPU
      std::swap(from, to);
    }
    launch(ids_kernel, grid_for(voxels), static_cast<const Nearest*>(from), voxels, width, y.data<std::int32_t>() + k);
  }
}

void CudaBackend::segment_sum(const Tensor& x, const Tensor& ids, const Tensor& y) {
  if (y.numel() == 0 || x.numel() == 0) return fill(y, 0);
  const Segments s = segments_of(x, ids, y);
  const std::int64_t threads = ids.extent(0) * s.columns * s.lanes;
  const Scratch<double> parts(threads * s.count);
  dispatch_float(x.dtype(), "segment_sum", [&]<class T>(T) {
    launch(segment_parts_kernel<T>, grid_for(threads), x.data<T>(), ids.data<std::int32_t>(), s, threads, parts.data());
  });
  launch(segment_sums_kernel, Grid(y.numel(), 256), static_cast<const double*>(parts.data()), s, y.data<double>());
}

void CudaBackend::segment_sum_gradient(const Tensor& ids, const Tensor& dy, const Tensor& dx) {
  if (dx.numel() == 0) return;
  const Segments s = segments_of(dx, ids, dy);
  const std::int64_t voxels = dx.numel() / s.width;
  dispatch_float(dx.dtype(), "segment_sum", [&]<class T>(T) {
    launch(segment_gradient_kernel<T>, grid_for(voxels), ids.data<std::int32_t>(), dy.data<double>(), s, voxels,
           dx.data<T>());
  });
}

}  // namespace voxgrad::cuda

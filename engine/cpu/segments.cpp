// Sums over numbered parts of a map, and their gradient.
#include <algorithm>
#include <vector>

#include "engine/cpu/scratch.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

constexpr std::int64_t kSegmentBlock = 32768;  // voxels of one partial sum, or more if it has more sums

struct SegmentExtents {
  std::int64_t samples, voxels, width, columns, segments;  // width: of x, columns: of the ids
  SegmentExtents(const Tensor& x, const Tensor& ids, const Tensor& sums)
      : samples(ids.extent(0)),
        voxels(x.numel() / std::max<std::int64_t>(1, x.extent(0) * x.extent(-1))),
        width(x.extent(-1)),
        columns(ids.extent(-1)),
        segments(sums.extent(1)) {}
};

}  // namespace

void CpuBackend::segment_sum(const Tensor& x, const Tensor& ids, const Tensor& y) {
  const SegmentExtents e(x, ids, y);
  const std::int64_t size = e.segments * e.columns, length = std::max(kSegmentBlock, size);
  const std::int64_t blocks = block_count(e.voxels, length);
  fill(y, 0);
  if (y.numel() == 0 || e.voxels == 0) return;
  const Scratch<double> memory(e.samples * blocks * size);
  double* const parts = memory.data();
  const std::int32_t* const id = ids.data<std::int32_t>();
  dispatch_float(x.dtype(), "segment_sum", [&]<class T>(T) {
    const T* const value = x.data<T>();
    parallel_for(e.samples * blocks, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t part = first; part < last; ++part) {
        double* const sum = parts + part * size;
        std::fill_n(sum, size, 0.0);
        const std::int64_t sample = part / blocks, begin = part % blocks * length;
        const std::int64_t end = std::min(begin + length, e.voxels);
        for (std::int64_t v = sample * e.voxels + begin; v < sample * e.voxels + end; ++v)
          for (std::int64_t k = 0; k < e.columns; ++k) {
            const std::int64_t segment = id[v * e.columns + k];
            if (segment < 0 || segment >= e.segments) continue;
            sum[segment * e.columns + k] += static_cast<double>(value[v * e.width + (e.width == 1 ? 0 : k)]);
          }
      }
    });
  });
  double* const sums = y.data<double>();
  for (std::int64_t sample = 0; sample < e.samples; ++sample)
    for (std::int64_t block = 0; block < blocks; ++block)
      for (std::int64_t i = 0; i < size; ++i) sums[sample * size + i] += parts[(sample * blocks + block) * size + i];
}

void CpuBackend::segment_sum_gradient(const Tensor& ids, const Tensor& dy, const Tensor& dx) {
  const SegmentExtents e(dx, ids, dy);
  if (dx.numel() == 0) return;
  const std::int32_t* const id = ids.data<std::int32_t>();
  const double* const slope = dy.data<double>();
  dispatch_float(dx.dtype(), "segment_sum", [&]<class T>(T) {
    T* const to = dx.data<T>();
    parallel_for(e.samples * e.voxels, kSegmentBlock, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t v = begin; v < end; ++v) {
        const double* const of_sample = slope + v / e.voxels * e.segments * e.columns;
        double total = 0;
        for (std::int64_t k = 0; k < e.columns; ++k) {
          const std::int64_t segment = id[v * e.columns + k];
          const bool counts = segment >= 0 && segment < e.segments;
          const double here = counts ? of_sample[segment * e.columns + k] : 0;
          if (e.width > 1) to[v * e.width + k] = static_cast<T>(here);
          total += here;
        }
        if (e.width == 1) to[v] = static_cast<T>(total);
      }
    });
  });
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

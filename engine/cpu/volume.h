// A map with any number of spatial axes as a volume [N, D, H, W, C]; axes that it lacks have extent 1.
// Include after engine/cpu/isa.h.
#pragma once

#include "engine/cpu/axes.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

struct Volume {
  std::int64_t samples, channels;
  Extents extent;

  explicit Volume(const Shape& shape) : samples(shape[0]), channels(shape[-1]), extent(three_axes(shape)) {}
  std::int64_t lines() const { return samples * extent[0] * extent[1]; }
  std::int64_t line() const { return extent[2] * channels; }  // elements

  // Calls body(line, n, z, y) for every line along the last spatial axis, in parallel.
  template <class F>
  void for_lines(const F& body) const {
    constexpr std::int64_t kGrain = 16384;  // elements of a task
    if (line() == 0) return;
    parallel_for(lines(), std::max<std::int64_t>(1, kGrain / line()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        body(i, i / (extent[0] * extent[1]), i / extent[1] % extent[0], i % extent[1]);
    });
  }
};

}  // namespace voxgrad::cpu::VOXGRAD_ISA

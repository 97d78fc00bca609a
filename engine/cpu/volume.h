// A map with any number of spatial axes as a volume [N, D, H, W, C]; missing axes have extent 1.
// Include after engine/cpu/isa.h.
#pragma once

namespace voxgrad::cpu::VOXGRAD_ISA {

struct Volume {
  std::int64_t samples, channels;
  std::array<std::int64_t, 3> extent{1, 1, 1};

  explicit Volume(const Shape& shape) : samples(shape[0]), channels(shape[-1]) {
    const auto missing = static_cast<std::size_t>(3 - shape.spatial_dims());
    for (std::size_t i = missing; i < 3; ++i) extent[i] = shape[static_cast<int>(i - missing) + 1];
  }
  std::int64_t lines() const { return samples * extent[0] * extent[1]; }
  std::int64_t line() const { return extent[2] * channels; }  // elements

  // body(line, n, z, y) for every line along the last spatial axis, in parallel.
  template <class F>
  void for_lines(const F& body) const {
    constexpr std::int64_t kGrain = 16384;
    if (line() == 0) return;
    parallel_for(lines(), std::max<std::int64_t>(1, kGrain / line()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        body(i, i / (extent[0] * extent[1]), i / extent[1] % extent[0], i % extent[1]);
    });
  }
};

// One value per axis of a volume; missing axes have 1.
inline std::array<std::int64_t, 3> per_axis(const Extents& values, const Shape& shape) {
  std::array<std::int64_t, 3> all{1, 1, 1};
  const auto missing = static_cast<std::size_t>(3 - shape.spatial_dims());
  for (std::size_t i = missing; i < 3; ++i) all[i] = values[static_cast<int>(i - missing)];
  return all;
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

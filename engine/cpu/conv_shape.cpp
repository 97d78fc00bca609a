#include "engine/cpu/conv_shape.h"

#include "engine/cpu/isa.h"

namespace voxgrad::cpu::VOXGRAD_ISA {
namespace {

// The taps of one axis for one residue, as pairs of offset and index in the kernel.
std::vector<std::pair<std::int64_t, std::int64_t>> residue_taps(const ConvShape& s, int axis, std::int64_t residue) {
  std::vector<std::pair<std::int64_t, std::int64_t>> taps;
  for (std::int64_t k = 0; k < s.kernel[axis]; ++k) {
    const std::int64_t distance = residue + s.padding[axis] - k * s.dilation[axis];
    if (distance % s.stride[axis] == 0) taps.emplace_back(distance / s.stride[axis], k);
  }
  return taps;
}

}  // namespace

ConvShape conv_shape(const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& options) {
  const int axes = x.spatial_dims();
  return {.batch = x[0],
          .cin = x[-1],
          .cout = y[-1],
          .in = three_axes(x),
          .out = three_axes(y),
          .kernel = three_axes(weight),
          .stride = three_axes(options.stride, axes),
          .padding = three_axes(options.padding, axes, 0),
          .dilation = three_axes(options.dilation, axes)};
}

ConvShape input_gradient_shape(const ConvShape& s) {
  ConvShape g = s;
  std::swap(g.in, g.out);
  std::swap(g.cin, g.cout);
  for (int axis = 0; axis < 3; ++axis) g.padding[axis] = s.dilation[axis] * (s.kernel[axis] - 1) - s.padding[axis];
  return g;
}

bool PatchGrid::is_identity() const {
  return taps.size() == 1 && taps[0].offset == Extents(0) && step == Extents(1) && points == source;
}

PatchGrid forward_grid(const ConvShape& s) {
  PatchGrid grid{s.batch, s.cin, s.in, s.stride, s.out, 0, 1, s.out, {}};
  for (std::int64_t z = 0; z < s.kernel[0]; ++z)
    for (std::int64_t y = 0; y < s.kernel[1]; ++y)
      for (std::int64_t x = 0; x < s.kernel[2]; ++x)
        grid.taps.push_back(
            {{z * s.dilation[0] - s.padding[0], y * s.dilation[1] - s.padding[1], x * s.dilation[2] - s.padding[2]},
             (z * s.kernel[1] + y) * s.kernel[2] + x});
  return grid;
}

// Voxel i of dx receives dy[o] through tap k where i = stride * o - padding + dilation * k. With i = residue +
// stride * j this is o = j + (residue + padding - dilation * k) / stride for the taps that divide evenly.
std::vector<PatchGrid> input_gradient_grids(const ConvShape& s) {
  std::vector<PatchGrid> grids;
  Extents r;
  for (r[0] = 0; r[0] < std::min(s.stride[0], s.in[0]); ++r[0])
    for (r[1] = 0; r[1] < std::min(s.stride[1], s.in[1]); ++r[1])
      for (r[2] = 0; r[2] < std::min(s.stride[2], s.in[2]); ++r[2]) {
        PatchGrid grid{s.batch, s.cout, s.out, 1, {}, r, s.stride, s.in, {}};
        for (int axis = 0; axis < 3; ++axis)
          grid.points[axis] = (s.in[axis] - r[axis] + s.stride[axis] - 1) / s.stride[axis];
        for (const auto& [dz, kz] : residue_taps(s, 0, r[0]))
          for (const auto& [dy, ky] : residue_taps(s, 1, r[1]))
            for (const auto& [dx, kx] : residue_taps(s, 2, r[2]))
              grid.taps.push_back({{dz, dy, dx}, (kz * s.kernel[1] + ky) * s.kernel[2] + kx});
        grids.push_back(std::move(grid));
      }
  return grids;
}

}  // namespace voxgrad::cpu::VOXGRAD_ISA

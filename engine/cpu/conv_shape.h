// Convolutions in one form. ConvShape has three spatial axes whatever the operation had: a plane is a volume of depth 1
// with a kernel of depth 1. PatchGrid is what the general path computes: output points on a regular grid, each of which
// is the sum of a few taps of the source. A convolution is one grid. The gradient of its input with stride s is one
// grid per residue of the position modulo s, so that no two tasks write the same voxel.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/backend.h"
#include "engine/cpu/axes.h"

namespace voxgrad::cpu::VOXGRAD_ISA {

struct ConvShape {
  std::int64_t batch, cin, cout;
  Extents in, out, kernel, stride, padding, dilation;
};

// Shapes of x [N, *S, Cin], weight [Cout, *K, Cin] and y [N, *S', Cout].
ConvShape conv_shape(const Shape& x, const Shape& weight, const Shape& y, const ConvOptions& options);

// The convolution that computes dx from dy if every stride is 1. The roles of x and y are exchanged, and the weights
// are flipped and transposed to [Cin, flipped *K, Cout]. Its padding may be negative: then dy is cropped.
ConvShape input_gradient_shape(const ConvShape& s);

struct Tap {
  Extents offset;       // position in the source = step * grid point + offset
  std::int64_t kernel;  // flat index of the tap in the kernel
};

struct PatchGrid {
  std::int64_t batch, channels;    // of the source
  Extents source, step;            // extents of the source; distance between the patches of two points
  Extents points;                  // extents of the grid
  Extents first, spacing, target;  // point p is voxel first + spacing * p of the destination; extents of that
  std::vector<Tap> taps;           // empty: the destination is zero there

  std::int64_t rows() const { return batch * volume(points); }
  std::int64_t depth() const { return std::ssize(taps) * channels; }  // columns of a patch
  bool fills_target() const { return points == target; }              // rows in voxel order
  bool is_identity() const;  // patches are the rows of the source as they stand
};

PatchGrid forward_grid(const ConvShape& s);
std::vector<PatchGrid> input_gradient_grids(const ConvShape& s);

}  // namespace voxgrad::cpu::VOXGRAD_ISA

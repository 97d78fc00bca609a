// Resampling of images and of labels to other extents. The first and last voxel of both grids end at the same places,
// so the centre of voxel j of m lies at (j + 1/2) n / m - 1/2 in voxels of the n that were there (half-voxel centres).
// Beyond its ends an image continues with its outermost values.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::nn {

// How a value between voxels is found along an axis.
//   nearest  the nearest voxel; between two equally near ones the second
//   linear   the two voxels around it
//   cubic    the cubic B-spline through all values of the line (Unser, Aldroubi, Eden 1993). It reproduces cubic
//            polynomials and is nearly as sharp as a windowed sinc. Beside an edge it overshoots by a tenth of the step
//            and decays by a factor of 3.7 with each voxel.
// scipy.ndimage.zoom with mode="nearest" and grid_mode=True has the same values for the orders 0, 1 and 3.
enum class Order { nearest, linear, cubic };

// A part of one axis: the samples `begin` .. `end` - 1 of the `to` new ones, from the old ones that are at hand, `from`
// in all of which the first is number `first`.
struct Line {
  std::int64_t from = 1, to = 1;
  std::int64_t begin = 0, end = to;
  std::int64_t first = 0;
};
// Returns x, f32 on the host, with end - begin samples along `axis`. A cubic needs all old samples, `nearest` and
// `linear` those from lowest_source(line, begin) to highest_source(line, end - 1).
Tensor resample_axis(const Tensor& x, int axis, const Line& line, Order order);
// The old samples that new sample j is made of.
std::int64_t lowest_source(const Line& line, std::int64_t j, Order order);
std::int64_t highest_source(const Line& line, std::int64_t j, Order order);

// Returns an image f32 [*S, C] with other extents *S, interpolated along each axis in the order given for it. An axis
// that keeps its extent is left alone. The result stays in the range of the channel, so that a cubic makes no values
// that no voxel had (as in scikit-image, and therefore in nnU-Net).
Tensor resample_image(const Tensor& image, const Shape& extents, const std::vector<Order>& orders);
// Returns labels u8 [*S] with other extents: the class with the largest linearly interpolated weight, of equal ones
// that of the nearest voxel. The orders are nearest or linear. A voxel becomes `ignore` if the nearest voxel is; the
// weights of ignored voxels count for no class. With ignore = -1 there is no such label.
Tensor resample_labels(const Tensor& labels, const Shape& extents, const std::vector<Order>& orders, int ignore);

}  // namespace voxgrad::nn

#include "losses/metrics/topology.h"

#include <bit>
#include <numeric>

#include "engine/ops.h"
#include "losses/metrics/aggregate.h"
#include "losses/metrics/components.h"

namespace voxgrad::losses {
namespace {

// The number of cubes - faces + edges - corners that belong to a voxel of the mask, with the sign of a cube or, in 2-D,
// of a square. A cell between voxels along some axes is there if one of its 2, 4 or 8 voxels is.
std::int64_t euler_characteristic(const Tensor& mask) {
  const int dims = mask.dims();
  const std::int64_t voxels = mask.numel();
  std::int64_t result = 0;
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(voxels));
  for (unsigned between = 0; between < 1U << dims; ++between) {
    std::copy_n(mask.data<std::uint8_t>(), voxels, cells.begin());
    std::int64_t stride = 1;
    for (int axis = dims - 1; axis >= 0; stride *= mask.extent(axis--)) {
      if ((between >> axis & 1U) == 0) continue;
      // The margin is empty, so that the end of a line and the start of the next one do not meet.
      for (std::int64_t i = 0; i + stride < voxels; ++i) nth(cells, i) |= nth(cells, i + stride);
    }
    const std::int64_t count = std::accumulate(cells.begin(), cells.end(), std::int64_t{0});
    result += (dims - std::popcount(between)) % 2 == 0 ? count : -count;
  }
  return result;
}

// 1 within `width` of a voxel outside of the mask.
std::vector<std::uint8_t> band_of(const Tensor& mask, const std::vector<double>& spacing, double width) {
  const std::uint8_t* inside = mask.data<std::uint8_t>();
  std::vector<std::uint8_t> band(inside, inside + mask.numel());
  const Tensor far = distance_transform(reshape(mask, Shape{1} + mask.shape()), {1}, spacing, DType::f64);
  for (std::int64_t i = 0, end = mask.numel(); i < end; ++i)
    if (far.data<double>()[i] > width * (1 + 1e-9)) nth(band, i) = 0;
  return band;
}

}  // namespace

Betti betti_numbers(const Tensor& mask) {
  check(mask.dims() >= 1 && mask.dims() <= 3, "betti_numbers: the mask ", mask, " must have 1 to 3 axes");
  const std::int64_t objects = connected_components(mask, Connectivity::corners).count();
  // Of the pieces that are not in the mask one lies around it.
  const std::int64_t cavities = mask.dims() == 3 ? connected_components(mask, Connectivity::faces, 0).count() - 1 : 0;
  return {objects, objects + cavities - euler_characteristic(mask), cavities};
}

double boundary_iou(const Masks& masks, const std::vector<double>& spacing, double width) {
  const std::vector<std::uint8_t> s = band_of(masks.prediction, spacing, width),
                                  g = band_of(masks.truth, spacing, width);
  std::int64_t both = 0, either = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    both += s[i] & g[i];
    either += s[i] | g[i];
  }
  return either == 0 ? kUndefined : static_cast<double>(both) / static_cast<double>(either);
}

}  // namespace voxgrad::losses

#include "data/sampling/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/sampling/intensity.h"
#include "data/sampling/orientation.h"
#include "engine/io/file_rules.h"

namespace voxgrad::data {
namespace {

constexpr double kSameSpacing = 1e-3;
constexpr double kNodesPerPatch = 4;  // of an elastic field, along the longest axis

Orientation draw_orientation(const Tensor& label, const std::vector<double>& spacing, const AugmentOptions& options,
                             const Random& random) {
  const int dims = label.dims();
  Orientation result(dims);
  Random flips = random.fork(kFlip), turns = random.fork(kTurn);
  const double chances[3]{options.flip_z, options.flip_y, options.flip_x};
  for (int axis = 0; axis < dims; ++axis)
    if (flips.chance(chances[3 - dims + axis])) result.flip(axis);
  for (int a = 0; a < dims; ++a)
    for (int b = a + 1; b < dims; ++b) {
      const bool turn = turns.chance(options.turn);
      const int count = 1 + static_cast<int>(turns.below(3));
      const double along = nth(spacing, a), across = nth(spacing, b);  // of an oblique slice they are rounded
      const bool square = label.extent(a) == label.extent(b) && std::abs(along - across) <= kSameSpacing * across;
      if (turn && square) result.rotate(a, b, count);
    }
  return result;
}

// Returns the axes along which a warp moves: none along which the patch has a single voxel, and in a volume not that of
// thick slices, between which too much is unknown, or else not that along which the patch is far shorter than along the
// others. There are few slices then, and a rotation out of their plane would show little but their mirror images.
std::vector<int> warped_axes(const Shape& patch, const std::vector<double>& spacing) {
  int still = -1;
  if (patch.dims() == 3) {
    std::vector<double> thinness;
    for (int axis = 0; axis < 3; ++axis)
      thinness.push_back(1 / (static_cast<double>(patch[axis]) * nth(spacing, axis)));
    const int thick = thick_axis(spacing);
    still = thick >= 0 ? thick : thick_axis(thinness);
  }
  std::vector<int> axes;
  for (int axis = 0; axis < patch.dims(); ++axis)
    if (patch[axis] > 1 && axis != still) axes.push_back(axis);
  return axes;
}

}  // namespace

Warp draw_warp(const Shape& patch, const std::vector<double>& spacing, const AugmentOptions& options,
               const Random& random) {
  check(std::ssize(spacing) == patch.dims(), "augment: ", spacing.size(), " spacings for a patch ", patch);
  Warp warp(spacing);
  const std::vector<int> axes = warped_axes(patch, spacing);
  Random rotations = random.fork(kRotate), scales = random.fork(kScale), fields = random.fork(kElastic);
  if (rotations.chance(options.rotate))
    for (std::size_t i = 0; i < axes.size(); ++i)
      for (std::size_t j = i + 1; j < axes.size(); ++j)
        warp.rotate(axes[i], axes[j], rotations.uniform(-1, 1) * options.rotate_angle * std::numbers::pi / 180);
  if (scales.chance(options.scale)) {
    const double factor = log_uniform(scales, options.scale_range);
    for (const int axis : axes) warp.scale(axis, factor);
  }
  if (fields.chance(options.elastic) && !axes.empty()) {
    double longest = 0;
    for (const int axis : axes) longest = std::max(longest, static_cast<double>(patch[axis]) * nth(spacing, axis));
    warp.bend(axes, longest / kNodesPerPatch, options.elastic_amount * fields.uniform(), fields);
  }
  return warp;
}

void augment(const Tensor& image, const Tensor& label, const std::vector<double>& spacing,
             const AugmentOptions& options, const Random& random, const std::vector<Tensor>& maps) {
  check((label.dims() == 2 || label.dims() == 3) && image.shape() == label.shape() + Shape{image.extent(-1)},
        "augment: image ", image, " does not fit label ", label);
  check(std::ssize(spacing) == label.dims(), "augment: ", spacing.size(), " spacings for label ", label);
  const Orientation orientation = draw_orientation(label, spacing, options, random);
  if (!orientation.identity()) {
    orientation.apply(image);
    orientation.apply(label);
    for (const Tensor& map : maps) orientation.apply(map);
  }
  change_intensity(image, spacing, options, random);
}

}  // namespace voxgrad::data

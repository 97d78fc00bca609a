// Surface Dice by dilation: Dice of two borders that are dilated by the tolerance, a smooth stand-in for the normalised
// surface Dice.
//
//   b(x) = x - erode(x)          a cube of 3 voxels
//   W(x) = dilate(b(x))          a box that reaches ceil(tau / spacing) voxels along each axis
//   L = mean over n, c of 1 - 2 sum W(p) W(t) / (sum W(p) + sum W(t) + s)
//
// This is the surface term of MIST (Celaya et al.), surface_dice_dilation.py, which mixes it with Dice and cross
// entropy in equal shares: 0.5*dice_ce+0.5*surface_dice. No paper describes it. tau=0 is its automatic tolerance, 1.25
// times the coarsest spacing of the axes of more than one voxel. With unit=voxel a length of 1 is the geometric mean of
// the spacing.
#include <algorithm>
#include <cmath>

#include "losses/core/inputs.h"
#include "losses/core/registry.h"

namespace voxgrad::losses {
namespace {

// [N, *S, C]
Tensor soft_border(const Tensor& x) {
  std::vector<int> axes;
  for (int axis = 1; axis <= x.dims() - 2; ++axis) axes.push_back(axis);
  return x - erode(x, axes);
}

// reach: voxels per spatial axis, at most its extent.
Tensor widened(Tensor x, const std::vector<std::int64_t>& reach) {
  for (int axis = 1; axis <= x.dims() - 2; ++axis)
    x = dilate(x, std::vector<int>(static_cast<std::size_t>(nth(reach, axis - 1)), axis));
  return x;
}

Function build(Parameters& with) {
  const double tau = with.number("tau", 0, 0, 1e6, "tolerance as a length; 0: 1.25 times the coarsest spacing");
  const bool voxels =
      with.choice("unit", {"voxel", "mm"}, "of tau: the geometric mean of the spacing is 1, or that of the spacing")
          .is("voxel");
  const double s = with.number("smooth", 1e-6, 1e-12, 1e12, "added to the denominator");
  with.background(false);
  with.absent();
  with.weights("factor of a class's loss");
  return [=](const LossInput& in) {
    const Tensor p = in.counted(in.probabilities()), t = in.counted(in.truth());
    const std::int64_t axes = t.dims() - 2;
    std::vector<double> spacing = in.spacing();
    if (spacing.empty()) spacing.assign(static_cast<std::size_t>(axes), 1.0);
    // The tolerance in voxels of each axis, for the sample whose spacing begins at `first`.
    const auto reach_of = [&](auto first) {
      const std::vector<double> step(first, first + axes);
      double mean_step = 1;
      for (double along : step) mean_step *= std::pow(along, 1.0 / static_cast<double>(axes));
      double coarsest = 0;  // a slice of a volume has no spacing across
      for (std::int64_t axis = 0; axis < axes; ++axis)
        if (t.extent(static_cast<int>(axis) + 1) > 1) coarsest = std::max(coarsest, nth(step, axis));
      const double tolerance = tau == 0 ? 1.25 * coarsest : voxels ? tau * mean_step : tau;
      std::vector<std::int64_t> reach;
      // The subtracted share keeps a quotient that is whole but for rounding from the next voxel.
      for (std::int64_t axis = 0; axis < axes; ++axis) {
        const double voxels_along = std::ceil(tolerance / nth(step, axis) - 1e-9);
        const std::int64_t extent = t.extent(static_cast<int>(axis) + 1);
        reach.push_back(static_cast<std::int64_t>(std::min(voxels_along, static_cast<double>(extent))));
      }
      return reach;
    };
    const auto border = [&](const Tensor& x) {
      if (std::ssize(spacing) == axes) return widened(soft_border(x), reach_of(spacing.begin()));
      std::vector<Tensor> samples;
      for (std::int64_t n = 0; n < x.extent(0); ++n)
        samples.push_back(widened(soft_border(slice(x, 0, n, n + 1)), reach_of(spacing.begin() + n * axes)));
      return concat(samples, 0);
    };
    const Tensor predicted = border(p), true_border = border(t);
    const Tensor overlap = in.sums(predicted * true_border), total = in.sums(predicted) + in.sums(true_border);
    return in.mean_of_classes(1 - 2 * overlap / (total + s), in.sums(t));
  };
}

}  // namespace

Spec spec_surface_dice() {
  return {.name = "surface_dice",
          .family = Family::boundary,
          .summary = "Dice of the borders, dilated by a tolerance",
          .formula = "mean_nc 1 - 2 sum W(p) W(t) / (sum W(p) + sum W(t) + s), W the dilated border x - erode(x)",
          .source = "MIST, surface_dice_dilation.py (Celaya et al.)",
          .helps = "with a region loss, where a border may be off by the tolerance and no more",
          .fails =
              "alone it does not tell inside from outside; no gradient where prediction and truth are further apart "
              "than the tolerance",
          .build = build,
          .geometric = true,
          .objective = false,
          .soft_labels = false};
}

}  // namespace voxgrad::losses

#include "apps/training/geometry.h"

#include <algorithm>

#include "apps/training/config.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kSmallest = 8;     // voxels of the bottleneck along an axis
constexpr std::int64_t kFewSlices = 8;    // thick ones, which are segmented one by one
constexpr std::int64_t kMostPadding = 2;  // voxels of a patch for one of the median case

// Returns for each axis the median of the rows, which are shapes or spacings.
template <class Row>
Row median(const std::vector<Row>& rows) {
  Row result;
  for (std::ptrdiff_t axis = 0; axis < rows.front().end() - rows.front().begin(); ++axis) {
    std::vector<std::decay_t<decltype(*rows.front().begin())>> values;
    for (const Row& row : rows) values.push_back(row.begin()[axis]);
    const auto middle = values.begin() + std::ssize(values) / 2;
    std::nth_element(values.begin(), middle, values.end());
    result.push_back(*middle);
  }
  return result;
}

Shape largest(const std::vector<Shape>& rows) {
  Shape result = rows.front();
  for (const Shape& row : rows)
    for (int axis = 0; axis < row.dims(); ++axis) result[axis] = std::max(result[axis], row[axis]);
  return result;
}

// Sets the poolings and kernels of a patch of this size: at most `most` poolings, exactly `most` if `all`. Axes with
// little room wait until no other axis has room. So the depth that these rules choose gives the same poolings when it
// is asked for, as a run that goes on does.
void plan_levels(Geometry& plan, std::vector<double> spacing, int most, bool all, bool full_kernels) {
  Shape left = plan.patch;
  Extents kernel = left.dims() == 2 ? Extents{1, 1} : Extents{1, 1, 1};
  const auto add_kernel = [&] {
    // Of the axes that can still be pooled: to the spacing of another one they would never come.
    const auto finest_of = [&](std::int64_t least) {
      double finest = 0;
      for (int axis = 0; axis < left.dims(); ++axis)
        if (left[axis] >= least && (finest == 0 || nth(spacing, axis) < finest)) finest = nth(spacing, axis);
      return finest;
    };
    const double pooled = finest_of(2 * kSmallest), finest = pooled > 0 ? pooled : finest_of(2);
    for (int axis = 0; axis < left.dims(); ++axis)
      if (full_kernels || (left[axis] > 1 && nth(spacing, axis) < 2 * finest)) kernel[axis] = 3;
    plan.kernels.push_back(kernel);
  };
  add_kernel();
  while (std::ssize(plan.strides) < most) {
    const bool little = *std::max_element(left.begin(), left.end()) < 2 * kSmallest;
    const auto room = [&](int axis) { return left[axis] >= (all && little ? 2 : 2 * kSmallest); };
    double finest = 0;
    for (int axis = 0; axis < left.dims(); ++axis)
      if (room(axis) && (finest == 0 || nth(spacing, axis) < finest)) finest = nth(spacing, axis);
    if (finest == 0) break;
    Extents stride = left.dims() == 2 ? Extents{1, 1} : Extents{1, 1, 1};
    for (int axis = 0; axis < left.dims(); ++axis) {
      if (!room(axis) || nth(spacing, axis) >= 2 * finest) continue;
      stride[axis] = 2;
      left[axis] = (left[axis] + 1) / 2;
      nth(spacing, axis) *= 2;
    }
    plan.strides.push_back(stride);
    add_kernel();
  }
}

}  // namespace

Shape Geometry::divisor() const {
  Shape result = Shape::filled(patch.dims(), 1);
  for (const Extents& stride : strides)
    for (int axis = 0; axis < result.dims(); ++axis) result[axis] *= stride[axis];
  return result;
}

bool thin_stacks(const std::vector<Shape>& shapes, const std::vector<std::vector<double>>& spacings) {
  const Shape shape = median(shapes);
  const std::vector<double> spacing = median(spacings);
  const auto [finest, coarsest] = std::minmax_element(spacing.begin(), spacing.end());
  return shape.dims() == 3 && shape[0] < kFewSlices && spacing.front() == *coarsest && *coarsest >= 3 * *finest;
}

Geometry plan_geometry(const std::vector<Shape>& shapes, const std::vector<std::vector<double>>& spacings,
                       const GeometryWish& wish) {
  const int dims = shapes.front().dims();
  const bool wished = wish.patch.dims() > 0;
  const bool flat = dims == 2 || wish.slices;
  const std::int64_t usual = flat ? 256 * 256 : 64 * 64 * 64, limit = wish.most_voxels > 0 ? wish.most_voxels : usual;
  Shape whole = largest(shapes), middle = median(shapes);
  if (wish.slices) whole[0] = middle[0] = 1;
  if (whole.numel() > std::min(limit, kMostPadding * middle.numel())) whole = middle;
  Geometry plan;
  plan.patch = wished ? wish.patch : whole;
  while (!wished && plan.patch.numel() > limit) {
    const Shape& patch = plan.patch;
    const auto axis = static_cast<int>(std::max_element(patch.begin(), patch.end()) - patch.begin());
    plan.patch[axis] -= patch[axis] > 16 ? (patch[axis] - 1) % 16 + 1 : 1;
  }
  const int most = wish.depth > 0 ? wish.depth - 1 : flat ? 4 : 3;
  plan.strides = wish.strides;
  plan.kernels = wish.kernels;
  if (wish.kernels.empty()) plan_levels(plan, median(spacings), most, wish.depth > 0, wish.full_kernels);
  plan.depth = static_cast<int>(plan.strides.size()) + 1;
  if (plan.depth < wish.depth)
    throw Error(ErrorKind::usage,
                text("--depth ", wish.depth, ": a patch of ", sizes_text(plan.patch), " can be halved ", plan.depth - 1,
                     " times only"),
                text("use --depth ", plan.depth));
  const Shape divisor = plan.divisor();
  Shape fitting = plan.patch;
  for (int axis = 0; axis < dims; ++axis) {
    const std::int64_t d = divisor[axis], rest = plan.patch[axis] % d;
    if (rest != 0) fitting[axis] += plan.patch[axis] < whole[axis] && plan.patch[axis] > d ? -rest : d - rest;
  }
  if (wished && fitting != plan.patch)
    throw Error(ErrorKind::usage,
                text("--patch ", sizes_text(plan.patch), ": the poolings of depth ", plan.depth, " need multiples of ",
                     sizes_text(divisor)),
                text("use --patch ", sizes_text(fitting), " or a smaller --depth"));
  plan.patch = fitting;
  return plan;
}

}  // namespace voxgrad::apps

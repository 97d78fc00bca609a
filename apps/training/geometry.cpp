#include "apps/training/geometry.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "apps/training/config.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

using Sizes = std::vector<std::int64_t>;

constexpr std::int64_t kSmallest = 4;  // voxels of the bottleneck along an axis

std::int64_t product(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

template <class T>
std::vector<T> median(const std::vector<std::vector<T>>& rows) {
  std::vector<T> result;
  for (std::size_t axis = 0; axis < rows.front().size(); ++axis) {
    std::vector<T> values;
    for (const auto& row : rows) values.push_back(row[axis]);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    result.push_back(values[values.size() / 2]);
  }
  return result;
}

Sizes largest(const std::vector<Sizes>& rows) {
  Sizes result = rows.front();
  for (const Sizes& row : rows)
    for (std::size_t axis = 0; axis < row.size(); ++axis) result[axis] = std::max(result[axis], row[axis]);
  return result;
}

// Returns the poolings of a patch of this size: at most `most` of them, exactly `most` if `all`.
std::vector<Extents> poolings(const Sizes& patch, std::vector<double> spacing, int most, bool all) {
  Sizes left = patch;
  std::vector<Extents> strides;
  while (static_cast<int>(strides.size()) < most) {
    const auto room = [&](std::size_t axis) { return left[axis] >= 2 * kSmallest || (all && left[axis] >= 2); };
    double finest = 0;
    for (std::size_t axis = 0; axis < left.size(); ++axis)
      if (room(axis) && (finest == 0 || spacing[axis] < finest)) finest = spacing[axis];
    if (finest == 0) break;
    Extents stride = left.size() == 2 ? Extents{1, 1} : Extents{1, 1, 1};
    for (std::size_t axis = 0; axis < left.size(); ++axis) {
      if (!room(axis) || spacing[axis] >= 2 * finest) continue;
      stride.value[axis] = 2;
      left[axis] = (left[axis] + 1) / 2;
      spacing[axis] *= 2;
    }
    strides.push_back(stride);
  }
  return strides;
}

}  // namespace

Sizes Geometry::divisor() const {
  Sizes result(patch.size(), 1);
  for (const Extents& stride : strides)
    for (std::size_t axis = 0; axis < result.size(); ++axis) result[axis] *= stride.value[axis];
  return result;
}

Geometry plan_geometry(const std::vector<Sizes>& shapes, const std::vector<std::vector<double>>& spacings,
                       const GeometryWish& wish) {
  const std::size_t dims = shapes.front().size();
  const std::int64_t limit = dims == 2 ? 256 * 256 : 64 * 64 * 64;
  const Sizes whole = product(largest(shapes)) <= limit ? largest(shapes) : median(shapes);
  Geometry plan;
  plan.patch = wish.patch.empty() ? whole : wish.patch;
  while (wish.patch.empty() && product(plan.patch) > limit) {
    std::int64_t& longest = *std::max_element(plan.patch.begin(), plan.patch.end());
    longest -= longest > 16 ? (longest - 1) % 16 + 1 : 1;
  }
  const int most = wish.depth > 0 ? wish.depth - 1 : dims == 2 ? 4 : 3;
  plan.strides = poolings(plan.patch, median(spacings), most, wish.depth > 0);
  plan.depth = static_cast<int>(plan.strides.size()) + 1;
  if (plan.depth < wish.depth)
    throw Error(ErrorKind::usage,
                text("--depth ", wish.depth, ": a patch of ", sizes_text(plan.patch), " can be halved ", plan.depth - 1,
                     " times only"),
                text("use --depth ", plan.depth));
  const Sizes divisor = plan.divisor();
  Sizes fitting = plan.patch;
  for (std::size_t axis = 0; axis < dims; ++axis) {
    const std::int64_t d = divisor[axis], rest = plan.patch[axis] % d;
    if (rest != 0) fitting[axis] += plan.patch[axis] < whole[axis] && plan.patch[axis] > d ? -rest : d - rest;
  }
  if (!wish.patch.empty() && fitting != plan.patch)
    throw Error(ErrorKind::usage,
                text("--patch ", sizes_text(plan.patch), ": the poolings of depth ", plan.depth, " need multiples of ",
                     sizes_text(divisor)),
                text("use --patch ", sizes_text(fitting), " or a smaller --depth"));
  plan.patch = fitting;
  return plan;
}

}  // namespace voxgrad::apps

// Operations that rank voxels, for losses that weight voxels by their rank.
#include "engine/ops/common.h"

namespace voxgrad {

Tensor select_largest(const Tensor& x, std::int64_t count) {
  detail::check_float(x, "select_largest");
  check(count >= 0 && count <= x.numel(), "select_largest: ", count, " of ", x.numel(), " elements");
  Tensor y = empty_like(x);
  x.backend().select_largest(x, count, y);
  return y;
}

Tensor lovasz_slope(const Tensor& errors, const Tensor& labels, bool per_image, int ignore) {
  detail::check_feature_map(errors, "lovasz_slope");
  detail::check_label_map(labels, "lovasz_slope");
  check(detail::with_channels(labels, errors.extent(-1)) == errors.shape() && labels.device() == errors.device(),
        "lovasz_slope: errors ", errors, " and labels ", labels, " do not fit");
  const std::int64_t sorted = labels.numel() / (per_image ? std::max<std::int64_t>(1, labels.extent(0)) : 1);
  check(sorted < std::int64_t{1} << 31, "lovasz_slope: sorts less than 2^31 voxels at a time, got ", labels);
  Tensor y = empty_like(errors);
  errors.backend().lovasz_slope(errors, labels, per_image, ignore, y);
  return y;
}

}  // namespace voxgrad

// Maximum pooling and upsampling.
#include "engine/ops/common.h"

namespace voxgrad {

Tensor max_pool(const FeatureMap& map, const Extents& window) {
  const Tensor& x = map.x;
  detail::check_feature_map(map, "max_pool");
  const int spatial = x.shape().spatial_dims();
  const Extents w = detail::per_axis(window, spatial, 1, "max_pool", "window");
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) {
    check(shape[i + 1] >= w[i], "max_pool: window ", w[i], " is larger than axis ", i + 1, " of ", x.shape());
    shape[i + 1] /= w[i];
  }
  check(w[0] * w[1] * w[2] <= 255, "max_pool: windows of at most 255 voxels, got ", w[0], " x ", w[1], " x ", w[2]);
  Tensor y = empty(shape, x.dtype(), x.device());
  const Tensor index = empty(shape, DType::u8, x.device());
  y.backend().max_pool(map.detach(), w, y, index);
  return record("max_pool", y, {{x, [index, w, in = x.shape()](const Tensor& dy) {
                                   Tensor dx = empty(in, dy.dtype(), dy.device());
                                   dy.backend().max_pool_gradient(dy, index, w, dx);
                                   return dx;
                                 }}});
}

Tensor upsample(const Tensor& x, Upsampling kind, const Extents& scale) {
  detail::check_feature_map(x, "upsample");
  const int spatial = x.shape().spatial_dims();
  const Extents s = detail::per_axis(scale, spatial, 1, "upsample", "scale");
  Shape shape = x.shape();
  for (int i = 0; i < spatial; ++i) shape[i + 1] = x.extent(i + 1) * s[i];
  Tensor y = empty(shape, x.dtype(), x.device());
  x.backend().upsample(x, kind, s, y);
  return record("upsample", y, {{x, [kind, s, in = x.shape()](const Tensor& dy) {
                                   Tensor dx = empty(in, dy.dtype(), dy.device());
                                   dy.backend().upsample_gradient(dy, kind, s, dx);
                                   return dx;
                                 }}});
}

}  // namespace voxgrad

// Random tensors and dropout. The same key gives the same numbers.
#include "engine/ops/common.h"

namespace voxgrad {

Tensor dropout(const Tensor& x, double probability, std::uint64_t key, bool channelwise) {
  detail::check_float(x, "dropout");
  check(probability >= 0 && probability < 1, "dropout: probability ", probability, " outside [0, 1)");
  check(!channelwise || x.dims() >= 2, "dropout: channelwise needs [N, .., C], got ", x.shape());
  if (probability == 0) return x;
  Tensor y = empty_like(x);
  x.backend().dropout(x, probability, channelwise, key, y);
  // The mask is a function of the key, so the same call on dy gives dx, and nothing has to be saved.
  return record(
      "dropout", y,
      {{x, [probability, key, channelwise](const Tensor& dy) { return dropout(dy, probability, key, channelwise); }}});
}

Tensor random_uniform(const Shape& shape, std::uint64_t key, double low, double high, DType dtype, Device device) {
  check(low <= high, "random_uniform: low ", low, " is above high ", high);
  Tensor y = empty(shape, dtype, device);
  detail::check_float(y, "random_uniform");
  y.backend().random(Distribution::uniform, key, low, high, y);
  return y;
}

Tensor random_normal(const Shape& shape, std::uint64_t key, double mean, double deviation, DType dtype, Device device) {
  check(deviation >= 0, "random_normal: negative deviation ", deviation);
  Tensor y = empty(shape, dtype, device);
  detail::check_float(y, "random_normal");
  y.backend().random(Distribution::normal, key, mean, deviation, y);
  return y;
}

}  // namespace voxgrad

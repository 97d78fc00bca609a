#include "losses/metrics/components.h"

#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::losses {

Components connected_components(const Tensor& mask, Connectivity connectivity, std::uint8_t value) {
  if (mask.numel() >= std::int64_t{1} << 31)
    throw Error(
        ErrorKind::data,
        text("connected components: the box of a class has ", mask.numel(), " voxels, at most 2^31 - 1 have numbers"),
        "cut the images, or compare them at a coarser spacing");
  const Tensor ids = voxgrad::connected_components(reshape(mask, Shape{1} + mask.shape()), {value},
                                                   connectivity == Connectivity::faces ? 1 : mask.dims());
  Components result{ids.to_vector<std::int32_t>(), {0}};
  for (const std::int32_t label : result.labels) {
    if (label > result.count()) result.sizes.push_back(0);
    ++nth(result.sizes, label);
  }
  return result;
}

std::vector<std::int32_t> nearest_object(const Components& objects, const Shape& shape,
                                         const std::vector<double>& spacing) {
  const Tensor ids = from_vector<std::int32_t>(Shape{1} + shape + Shape{1}, objects.labels);
  return nearest_component(ids, spacing).to_vector<std::int32_t>();
}

}  // namespace voxgrad::losses

#include "apps/training/feed.h"

#include <algorithm>
#include <utility>

#include "apps/training/geometry.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

std::vector<Extents> strides_of(const nn::UNetConfig& net) {
  if (!net.deep_supervision || net.strides.empty()) return {};
  return {net.strides.begin(), net.strides.end() - 1};  // the bottleneck has no logits
}

}  // namespace

Feed::Feed(const data::Dataset& dataset, const Plan& plan, Device device)
    : device_(device), loader_(dataset, plan.loader), strides_(strides_of(plan.model.net)), steps_(plan.steps) {
  batch_.truths.resize(strides_.size() + 1);
}

const TrainingBatch& Feed::batch(std::int64_t step) {
  if (fetched_ != step) fetch(step);
  return batch_;
}

void Feed::look_ahead(std::int64_t step) try {
  if (device_ != Device::cpu && step < steps_) batch(step);
} catch (const Error&) {
  // The step that it belongs to meets it again, and reports it.
}

void Feed::fetch(std::int64_t step) {
  fetched_ = -1;  // while the batch is neither the old nor the new one
  data::Batch host = loader_.batch(step);
  host.spacing = in_voxels(host.spacing);
  place(batch_.images, host.images);
  batch_.ids = std::move(host.ids);
  for (std::size_t k = 0; k < batch_.truths.size(); ++k) {
    if (k > 0) {
      const Extents& stride = strides_[k - 1];
      host.labels = coarser(host.labels, stride);
      for (auto& [key, field] : host.fields) field = coarser(field, stride);
      for (std::size_t axis = 0; axis < host.spacing.size(); ++axis)
        host.spacing[axis] *= static_cast<double>(stride.value[axis]);
    }
    Truth& truth = batch_.truths[k];
    place(truth.labels, host.labels);
    for (const auto& [key, field] : host.fields) place(truth.fields[key], field);
    truth.spacing = host.spacing;
  }
  fetched_ = step;
}

// Copies into the memory of the batch before, if that had the same shape, because a recorded step reads there.
void Feed::place(Tensor& there, const Tensor& host) const {
  if (device_ == Device::cpu || !there.defined() || !(there.shape() == host.shape()))
    there = host.to(device_);
  else
    copy_into(there, host);
}

Tensor coarser(const Tensor& map, const Extents& stride) {
  const int dims = map.dtype() == DType::u8 ? map.dims() - 1 : map.dims() - 2;
  Shape shape = map.shape();
  for (int axis = 0; axis < dims; ++axis) shape[axis + 1] /= stride[axis];
  const Tensor coarse = empty(shape, map.dtype());
  const std::int64_t values = dims + 1 < map.dims() ? map.extent(-1) : 1, voxels = coarse.numel() / values;
  dispatch(map.dtype(), [&]<class T>(T) {
    for (std::int64_t i = 0; i < voxels; ++i) {
      std::int64_t rest = i, source = 0, step = 1;
      for (int axis = dims; axis >= 0; --axis) {
        source += rest % shape[axis] * (axis > 0 ? stride[axis - 1] : 1) * step;
        rest /= shape[axis];
        step *= map.extent(axis);
      }
      std::copy_n(map.data<T>() + source * values, values, coarse.data<T>() + i * values);
    }
  });
  return coarse;
}

}  // namespace voxgrad::apps

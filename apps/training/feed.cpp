#include "apps/training/feed.h"

#include <algorithm>
#include <utility>

#include "data/probabilities.h"
#include "engine/error.h"
#include "losses/core/fields.h"

namespace voxgrad::apps {
namespace {

std::vector<Extents> strides_of(const nn::UNetConfig& net) {
  if (!net.deep_supervision || net.strides.empty()) return {};
  return {net.strides.begin(), net.strides.end() - 1};  // the bottleneck has no logits
}

}  // namespace

Feed::Feed(const data::Dataset& dataset, const Plan& plan, Device device)
    : device_(device),
      loader_(dataset, plan.loader),
      strides_(strides_of(plan.model.net)),
      classes_(plan.model.net.classes),
      ignore_(plan.context.ignore),
      steps_(plan.steps) {
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
  place(batch_.images, host.images);
  batch_.ids = std::move(host.ids);
  const Tensor finest = host.labels;
  Extents whole(1);  // from the finest resolution to this one
  for (std::size_t k = 0; k < batch_.truths.size(); ++k) {
    if (k > 0) {
      const Extents& stride = strides_[k - 1];
      for (int axis = 0; axis + 1 < finest.dims(); ++axis) whole[axis] *= stride[axis];
      host.labels = coarser(finest, whole);
      if (host.probabilities.defined()) host.probabilities = coarser_probabilities(host.probabilities, stride);
      const int axes = host.labels.dims() - 1;
      for (std::size_t i = 0; i < host.spacing.size(); ++i)
        host.spacing[i] *= static_cast<double>(stride[static_cast<int>(i) % axes]);
      // Distances to the borders of the finer labels would not fit those to the borders of a coarse prediction.
      for (auto& [key, field] : host.fields)
        field = losses::make_field(key, host.labels, classes_, host.spacing, DType::f32, ignore_);
    }
    Truth& truth = batch_.truths[k];
    place(truth.labels, host.labels);
    if (host.probabilities.defined()) place(truth.probabilities, host.probabilities);
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

Tensor coarser(const Tensor& labels, const Extents& stride) {
  Shape shape = labels.shape();
  for (int axis = 1; axis < shape.dims(); ++axis) shape[axis] /= stride[axis - 1];
  const Tensor coarse = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < coarse.numel(); ++i) {
    std::int64_t rest = i, source = 0, step = 1;
    for (int axis = shape.dims() - 1; axis >= 0; --axis) {
      const std::int64_t window = axis > 0 ? stride[axis - 1] : 1;
      source += (rest % shape[axis] * window + window / 2) * step;
      rest /= shape[axis];
      step *= labels.extent(axis);
    }
    coarse.data<std::uint8_t>()[i] = labels.data<std::uint8_t>()[source];
  }
  return coarse;
}

Tensor coarser_probabilities(const Tensor& probabilities, const Extents& stride) {
  const Shape shape = probabilities.shape();
  const std::int64_t classes = shape[-1];
  Shape coarse = shape;
  std::int64_t window = 1;
  for (int axis = 1; axis + 1 < shape.dims(); ++axis) {
    coarse[axis] /= stride[axis - 1];
    window *= stride[axis - 1];
  }
  const Tensor result = zeros(coarse);
  const float share = 1 / static_cast<float>(window), *from = probabilities.data<float>();
  for (std::int64_t voxel = 0; voxel < probabilities.numel() / classes; ++voxel, from += classes) {
    std::int64_t rest = voxel, target = 0, step = 1;
    for (int axis = shape.dims() - 2; axis >= 0; --axis) {
      target += rest % shape[axis] / (axis > 0 ? stride[axis - 1] : 1) * step;
      rest /= shape[axis];
      step *= coarse[axis];
    }
    for (std::int64_t c = 0; c < classes; ++c) result.data<float>()[target * classes + c] += share * from[c];
  }
  data::normalise_probabilities(result);
  return result;
}

}  // namespace voxgrad::apps

#include "apps/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "apps/training/checkpoint.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

// Streams of random numbers that a seed splits into.
enum Stream : std::uint64_t { kWeights = 1, kDropout = 2 };

nn::Model fresh_model(const Plan& plan, Device device) {
  nn::Model model{plan.model, nullptr, ""};
  model.net = std::make_unique<nn::UNet>(plan.model.net, Random(plan.config.seed).fork(kWeights));
  model.net->to(device);
  return model;
}

std::vector<NamedTensor> prefixed(const std::string& prefix, std::vector<NamedTensor> tensors) {
  for (NamedTensor& entry : tensors) entry.name = prefix + entry.name;
  return tensors;
}

void append(std::vector<NamedTensor>& all, std::vector<NamedTensor> more) {
  for (NamedTensor& entry : more) all.push_back(std::move(entry));
}

}  // namespace

Trainer::Trainer(const data::Dataset& dataset, const Plan& plan, Device device)
    : plan_(plan),
      device_(device),
      model_(fresh_model(plan, device)),
      net_(*model_.net),
      loader_(dataset, plan.loader),
      loss_(losses::make_loss(plan.config.loss)),
      optimizer_(nn::make_optimizer(plan.config.optimizer, net_, plan.optimizer)),
      schedule_(nn::make_schedule(plan.config.schedule, plan.schedule)),
      value_(zeros({1}, DType::f64, device)),
      replay_(device) {
  if (plan.config.amp) require_amp(device);
  if (plan.config.ema > 0) ema_.emplace(net_, plan.config.ema);
}

StepReport Trainer::step() {
  take(step_);
  net_.train();
  replay_(frozen(), [&] {
    net_.set_step(plan_.config.seed, step_);
    const Tensor value = loss_of(net_.outputs(plan_.config.amp ? images_.to(DType::bf16) : images_));
    value.backward();
    value_.backend().copy(value_.raw(), device_, value.raw(), device_, value_.bytes());
  });
  take_ahead();
  const double loss = value_.item();
  check_finite(loss);
  const double norm = checked_norm();
  const double lr = rate_scale_ * schedule_.rate(step_);
  optimizer_->step(lr);
  net_.zero_grad();
  if (ema_) ema_->update();
  return {step_++, loss, norm, lr};
}

// The batch of a step on the device, where the one before was if that had the same shape.
void Trainer::take(std::int64_t step) {
  if (taken_ == step) return;
  taken_ = -1;
  data::Batch batch = loader_.batch(step);
  const auto place = [&](Tensor& there, const Tensor& host) {
    if (device_ == Device::cpu || !there.defined() || !(there.shape() == host.shape()))
      there = host.to(device_);
    else
      there.backend().copy(there.raw(), device_, host.raw(), Device::cpu, host.bytes());
  };
  place(images_, batch.images);
  truths_.resize(plan_.model.net.deep_supervision ? std::max<std::size_t>(1, plan_.model.net.strides.size()) : 1);
  for (std::size_t k = 0; k < truths_.size(); ++k) {
    Truth& truth = truths_[k];
    if (k > 0) {
      const Extents& stride = plan_.model.net.strides[k - 1];
      batch.labels = coarser(batch.labels, stride);
      for (auto& [key, field] : batch.fields) field = coarser(field, stride);
      for (std::size_t axis = 0; axis < batch.spacing.size(); ++axis)
        batch.spacing[axis] *= static_cast<double>(stride.value[axis]);
    }
    place(truth.labels, batch.labels);
    for (const auto& [key, field] : batch.fields) place(truth.fields[key], field);
    truth.spacing = batch.spacing;
  }
  taken_ = step;
}

// While a device with a queue computes: what is copied now arrives behind the work that reads the batch before it.
void Trainer::take_ahead() try {
  if (device_ != Device::cpu && step_ + 1 < plan_.steps) take(step_ + 1);
} catch (const Error&) {
  // The step that it belongs to meets it again, and reports it.
}

// What a step depends on besides what lies in its tensors.
std::string Trainer::frozen() const {
  std::string all = text(images_.shape(), ", epoch ", epoch(), ", spacing");
  for (const double along : truths_[0].spacing) all += text(' ', along);
  return all;
}

Tensor Trainer::loss_of(const std::vector<Tensor>& logits) const {
  losses::Context context = plan_.context;
  context.epoch = epoch();
  const auto value_of = [&](std::size_t k) {
    context.fields = truths_[k].fields;
    context.spacing = truths_[k].spacing;
    return loss_(logits[k], truths_[k].labels, context);
  };
  Tensor total = value_of(0);
  double weight = 1, weights = 1;
  for (std::size_t k = 1; k < logits.size(); ++k) {
    weight /= 2;
    weights += weight;
    total = total + weight * value_of(k);
  }
  return total / weights;
}

void Trainer::check_finite(double loss) {
  if (std::isfinite(loss)) return;
  net_.zero_grad();
  throw Error(
      ErrorKind::diverged,
      text("step ", step_, " (epoch ", plan_.epoch_of(step_ + 1), "): the loss is ", loss, " (", loss_.text(), ")"),
      "try a smaller --lr, or --on-nan skip or rollback");
}

double Trainer::checked_norm() {
  const double limit = plan_.config.clip > 0 ? plan_.config.clip : std::numeric_limits<double>::infinity();
  const double norm = nn::clip_gradients(net_, limit);
  if (std::isfinite(norm)) return norm;
  std::string where;
  for (const NamedTensor& parameter : net_.parameters())
    if (where.empty() && !std::isfinite(parameter.tensor.backend().sum_of_squares(parameter.tensor.grad())))
      where = ", first in " + parameter.name;
  net_.zero_grad();
  throw Error(
      ErrorKind::diverged,
      text("step ", step_, " (epoch ", plan_.epoch_of(step_ + 1), "): the norm of the gradient is ", norm, where),
      "try a smaller --lr, or --on-nan skip or rollback");
}

const nn::Model& Trainer::evaluated() {
  if (ema_ && !swapped_) ema_->swap(), swapped_ = true;
  net_.train(false);
  return model_;
}

void Trainer::end_validation(double metric) {
  if (swapped_) ema_->swap(), swapped_ = false;
  if (!std::isnan(metric)) schedule_.report(metric);
}

TensorFile Trainer::state() const {
  TensorFile file;
  file.tensors = net_.state();
  append(file.tensors, prefixed("optim.", optimizer_->state()));
  if (ema_) append(file.tensors, prefixed("ema.", ema_->state()));
  file.metadata["step"] = std::to_string(step_);
  const Json counters{{"optimizer_steps", optimizer_->steps()},
                      {"ema_updates", ema_ ? ema_->updates() : 0},
                      {"rate_scale", rate_scale_},
                      {"schedule", schedule_.state()},
                      {"seed", plan_.config.seed}};
  file.metadata["counters"] = counters.dump();
  return file;
}

void Trainer::load_state(const TensorFile& file) {
  const Json counters = metadata_json(file, "counters", "checkpoint");
  const auto count = [&](const char* key) {
    return whole_number(counters, key, 0, std::numeric_limits<std::int64_t>::max());
  };
  const std::int64_t step = whole_number({{"step", metadata_json(file, "step", "checkpoint")}}, "step", 0, plan_.steps);
  const double rate_scale = counters.at("rate_scale").get<double>();
  if (!std::isfinite(rate_scale) || rate_scale <= 0)
    throw Error(ErrorKind::model, text("`rate_scale` is ", rate_scale, ", must be positive"));
  net_.load_state(nn::network_tensors(file));
  optimizer_->load_state(with_prefix(file, "optim."), count("optimizer_steps"));
  if (ema_) ema_->load_state(with_prefix(file, "ema."), count("ema_updates"));
  schedule_.load_state(counters.at("schedule").get<std::vector<double>>());
  rate_scale_ = rate_scale;
  step_ = step;
}

std::vector<NamedTensor> Trainer::weights() {
  std::vector<NamedTensor> result = evaluated().net->state();
  end_validation(std::nan(""));
  return result;
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

#include "apps/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

// Streams of random numbers that a seed splits into.
enum Stream : std::uint64_t { kWeights = 1, kDropout = 2 };

Model fresh_model(const Plan& plan, Device device) {
  Model model{plan.model, nullptr, ""};
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
      schedule_(nn::make_schedule(plan.config.schedule, plan.schedule)) {
  if (plan.config.ema > 0) ema_.emplace(net_, plan.config.ema);
}

StepReport Trainer::step() {
  const data::Batch batch = loader_.batch(step_);
  const Tensor x = batch.images.to(device_);
  net_.train();
  net_.set_step(plan_.config.seed, step_);
  const std::vector<Tensor> logits = net_.outputs(x);
  const Tensor value = loss_of(logits, batch);
  check_finite(value);
  value.backward();
  const double norm = checked_norm();
  const double lr = rate_scale_ * schedule_.rate(step_);
  optimizer_->step(lr);
  net_.zero_grad();
  if (ema_) ema_->update();
  return {step_++, value.item(), norm, lr};
}

Tensor Trainer::loss_of(const std::vector<Tensor>& logits, const data::Batch& batch) const {
  losses::Context context = plan_.context;
  context.spacing = batch.spacing;
  context.epoch = static_cast<double>(step_ / plan_.steps_per_epoch);
  Tensor labels = batch.labels;
  std::map<std::string, Tensor> fields = batch.fields;
  const auto value_of = [&](std::size_t k) {
    for (const auto& [key, field] : fields) context.fields[key] = field.to(device_);
    return loss_(logits[k], labels.to(device_), context);
  };
  Tensor total = value_of(0);
  double weight = 1, weights = 1;
  for (std::size_t k = 1; k < logits.size(); ++k) {
    const Extents& stride = plan_.model.net.strides[k - 1];
    labels = coarser(labels, stride);
    for (auto& [key, field] : fields) field = coarser(field, stride);
    for (std::size_t axis = 0; axis < context.spacing.size(); ++axis)
      context.spacing[axis] *= static_cast<double>(stride.value[axis]);
    weight /= 2;
    weights += weight;
    total = total + weight * value_of(k);
  }
  return total / weights;
}

void Trainer::check_finite(const Tensor& value) const {
  const double loss = value.item();
  if (std::isfinite(loss)) return;
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

Model& Trainer::evaluated() {
  if (ema_ && !swapped_) ema_->swap(), swapped_ = true;
  return model_;
}

void Trainer::end_validation(double metric) {
  if (swapped_) ema_->swap(), swapped_ = false;
  if (!std::isnan(metric)) schedule_.report(metric);
}

data::TensorFile Trainer::state() const {
  data::TensorFile file;
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

void Trainer::load_state(const data::TensorFile& file) {
  const Json counters = metadata_json(file, "counters", "checkpoint");
  net_.load_state(network_tensors(file));
  optimizer_->load_state(with_prefix(file, "optim."), counters.at("optimizer_steps").get<std::int64_t>());
  if (ema_) ema_->load_state(with_prefix(file, "ema."), counters.at("ema_updates").get<std::int64_t>());
  schedule_.load_state(counters.at("schedule").get<std::vector<double>>());
  rate_scale_ = counters.at("rate_scale").get<double>();
  step_ = metadata_json(file, "step", "checkpoint").get<std::int64_t>();
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

#include "apps/training/trainer.h"

#include <cmath>
#include <limits>
#include <utility>

#include "apps/training/checkpoint.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

constexpr std::uint64_t kWeightStream = 1;  // of the random numbers of a seed: the first weights

nn::Model fresh_model(const Plan& plan, Device device) {
  nn::Model model{plan.model, nullptr, ""};
  model.net = std::make_unique<nn::UNet>(plan.model.net, Random(plan.config.seed).fork(kWeightStream));
  model.net->to(device);
  return model;
}

std::vector<NamedTensor> prefixed(const std::string& prefix, std::vector<NamedTensor> tensors) {
  for (NamedTensor& entry : tensors) entry.name = prefix + entry.name;
  return tensors;
}

// A value that is not finite, in words: the sign that NaN has says nothing.
std::string word_of(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "infinite" : "-infinite"; }

void append(std::vector<NamedTensor>& all, std::vector<NamedTensor> more) {
  for (NamedTensor& entry : more) all.push_back(std::move(entry));
}

}  // namespace

Trainer::Trainer(const data::Dataset& dataset, const Plan& plan, Device device)
    : plan_(plan),
      model_(fresh_model(plan, device)),
      net_(*model_.net),
      feed_(dataset, plan, device),
      loss_(losses::make_loss(plan.config.loss)),
      optimizer_(nn::make_optimizer(plan.config.optimizer, net_, plan.optimizer)),
      schedule_(nn::make_schedule(plan.config.schedule, plan.schedule)),
      recorded_(device) {
  if (plan.config.amp) require_amp(device);
  if (plan.config.ema > 0) ema_.emplace(net_, plan.config.ema);
}

StepReport Trainer::step() {
  const TrainingBatch& batch = feed_.batch(step_);
  net_.train();
  recorded_.run(constants_of(batch), [&] {
    net_.set_step(plan_.config.seed, step_);  // the random numbers of the dropout
    std::vector<Tensor> logits = net_.outputs(batch.images.to(plan_.config.amp ? DType::bf16 : DType::f32));
    const Tensor value = loss_of(std::move(logits), batch.truths);
    value.backward();
    return value;
  });
  feed_.look_ahead(step_ + 1);
  const double loss = recorded_.value();
  check_finite(loss);
  const double norm = clip_gradients();
  const double lr = rate_scale_ * schedule_.rate(step_);
  optimizer_->step(lr);
  net_.zero_grad();
  if (ema_) ema_->update();
  return {step_++, loss, norm, lr};
}

// All that forward and backward pass depend on besides the contents of tensors. A recording holds these as constants.
std::string Trainer::constants_of(const TrainingBatch& batch) const {
  std::string all = text(batch.images.shape(), ", epoch ", epoch(), ", spacing");
  for (const double along : batch.truths[0].spacing) all += text(' ', along);
  return all;
}

// Returns the mean of the losses of all resolutions; each has half the weight of the next finer one. The logits are
// passed by value: only the graph keeps them then, and the backward pass frees them early.
Tensor Trainer::loss_of(std::vector<Tensor> logits, const std::vector<Truth>& truths) const {
  losses::Context context = plan_.context;
  context.epoch = epoch();
  const auto value_of = [&](std::size_t k) {
    context.fields = truths[k].fields;
    context.spacing = truths[k].spacing;
    return loss_(logits[k], truths[k].labels, context);
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
  throw Error(ErrorKind::diverged,
              text("step ", step_, " (epoch ", plan_.epoch_of(step_ + 1), "): the loss is ", word_of(loss), " (",
                   loss_.text(), ")"),
              "try a smaller --lr, or --on-nan skip or rollback");
}

// Returns the norm of the gradient before clipping.
double Trainer::clip_gradients() {
  const double limit = plan_.config.clip > 0 ? plan_.config.clip : std::numeric_limits<double>::infinity();
  const double norm = nn::clip_gradients(net_, limit);
  if (std::isfinite(norm)) return norm;
  std::string where;
  for (const NamedTensor& parameter : net_.parameters())
    if (where.empty() && !std::isfinite(parameter.tensor.backend().sum_of_squares(parameter.tensor.grad())))
      where = ", first in " + parameter.name;
  net_.zero_grad();
  throw Error(ErrorKind::diverged,
              text("step ", step_, " (epoch ", plan_.epoch_of(step_ + 1), "): the norm of the gradient is ",
                   word_of(norm), where),
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

}  // namespace voxgrad::apps

#include "apps/training/trainer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "apps/program/fields.h"
#include "apps/training/checkpoint.h"
#include "apps/training/transfer.h"
#include "apps/training/validation.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

constexpr std::uint64_t kWeightStream = 1;  // of the random numbers of a seed: the first weights

std::vector<NamedTensor> prefixed(const std::string& prefix, std::vector<NamedTensor> tensors) {
  for (NamedTensor& entry : tensors) entry.name = prefix + entry.name;
  return tensors;
}

void append(std::vector<NamedTensor>& all, std::vector<NamedTensor> more) {
  for (NamedTensor& entry : more) all.push_back(std::move(entry));
}

}  // namespace

nn::Model fresh_model(const Plan& plan, Device device) {
  nn::Model model{plan.model, nullptr, ""};
  model.net = std::make_unique<nn::UNet>(plan.model.net, Random(plan.config.seed).fork(kWeightStream));
  if (plan.start) model.net->load_state(plan.start->state);
  model.net->to(device);
  return model;
}

static nn::ScheduleOptions schedule_of(const Plan& plan) {
  nn::ScheduleOptions options = plan.schedule;
  options.patience = plateau_patience(plan);
  return options;
}

Trainer::Trainer(const data::Dataset& dataset, const Plan& plan, Device device)
    : plan_(plan),
      model_(fresh_model(plan, device)),
      net_(*model_.net),
      feed_(dataset, plan, device),
      loss_(losses::make_loss(plan.config.loss)),
      optimizer_(nn::make_optimizer(plan.config.optimizer, net_, plan.optimizer)),
      schedule_(nn::make_schedule(plan.config.schedule, schedule_of(plan))),
      recorded_(device),
      progress_(zeros({}, DType::f64, device)),
      first_norm_(weight_norm(net_)) {
  if (plan.config.amp) require_amp(device);
  if (plan.config.ema > 0) ema_.emplace(net_, plan.config.ema);
}

StepReport Trainer::step() {
  const TrainingBatch& batch = feed_.batch(step_);
  net_.train();
  statistics_.clear();  // batch norm changes them before the loss is known
  if (plan_.on_nan != OnNan::stop)
    for (const NamedTensor& entry : net_.buffers()) statistics_.push_back(entry.tensor.clone());
  copy_into(progress_, full({}, static_cast<double>(step_) / static_cast<double>(plan_.steps), DType::f64));
  recorded_.run(constants_of(batch), [&] {
    net_.set_step(plan_.config.seed, step_);  // the random numbers of the dropout
    std::vector<Tensor> logits = net_.outputs(batch.images.to(plan_.config.amp ? DType::bf16 : DType::f32));
    const Tensor value = batch_loss(loss_, std::move(logits), batch.truths, context());
    value.backward();
    return value;
  });
  feed_.look_ahead(step_ + 1);
  const double loss = recorded_.value();
  if (!std::isfinite(loss)) throw failed_at(step_, text("the loss is ", word_of(loss), " (", loss_.text(), ")"));
  if (!statistics_.empty())  // they may be broken where the loss is not
    if (const std::string name = broken_weight(net_); !name.empty())
      throw failed_at(step_, "after the forward pass, " + name + " is not finite");
  const double norm = clip_gradients();
  const double lr = rate_scale_ * schedule_.rate(step_);
  optimizer_->step(lr);
  net_.zero_grad();
  if (ema_) ema_->update();
  updated_ = step_++;
  return {updated_, loss, norm, lr};
}

// All that forward and backward pass depend on besides the contents of tensors. A recording holds these as constants.
std::string Trainer::constants_of(const TrainingBatch& batch) const {
  std::string all = text(batch.images.shape());
  if (!loss_.geometric()) return all;
  for (const double along : batch.truths[0].spacing) all += text(", spacing ", std::bit_cast<std::int64_t>(along));
  return all;
}

losses::Context Trainer::context() const {
  losses::Context context = plan_.context;
  context.progress = progress_;
  return context;
}

// Clears the gradients, which the next step adds to.
Error Trainer::failed_at(std::int64_t step, const std::string& what) {
  release_recording();
  const Error error =
      explained(text("step ", step, " (epoch ", plan_.epoch_of(step + 1), "): ", what),
                {plan_, net_, feed_.batch(step), step, first_norm_, rate_scale_ * schedule_.rate(step), context()});
  net_.zero_grad();
  const std::vector<NamedTensor> buffers = net_.buffers();
  for (std::size_t i = 0; i < statistics_.size(); ++i) copy_into(buffers[i].tensor, statistics_[i]);
  return error;
}

Error Trainer::failed(const std::string& what) { return failed_at(updated_, what); }

void Trainer::require_finite() {
  const NoGrad no_grad;
  evaluated();
  const std::string name = broken_weight(net_);
  Tensor logits;
  const auto compute = [&] { logits = net_(feed_.batch(updated_).images); };
  if (name.empty()) {
    try {
      compute();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::memory || recorded_.replay().size() == 0) throw;
      release_recording();
      compute();
    }
  }
  end_validation(std::nan(""));
  if (!name.empty()) throw failed("the step has broken the weights");
  if (!std::isfinite(logits.backend().sum_of_squares(logits)))
    throw failed("the step has broken the weights, with which the output of the network is not finite");
}

// Returns the norm of the gradient before clipping.
double Trainer::clip_gradients() {
  const double limit = plan_.config.clip > 0 ? plan_.config.clip : std::numeric_limits<double>::infinity();
  const double norm = nn::clip_gradients(net_, limit);
  if (std::isfinite(norm)) return norm;
  throw failed_at(step_, text("the norm of the gradient is ", word_of(norm)));
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

void Trainer::release_recording() { recorded_.release(); }

TensorFile Trainer::state() const {
  TensorFile file;
  file.tensors = net_.state();
  append(file.tensors, prefixed("optim.", optimizer_->state()));
  if (ema_) append(file.tensors, prefixed("ema.", ema_->state()));
  file.metadata["step"] = std::to_string(step_);
  Json schedule = Json::array();
  for (const double value : schedule_.state()) schedule.push_back(number(value));  // infinite before a validation
  const Json counters{{"optimizer_steps", optimizer_->steps()},
                      {"ema_updates", ema_ ? ema_->updates() : 0},
                      {"rate_scale", rate_scale_},
                      {"schedule", schedule},
                      {"seed", plan_.config.seed}};
  file.metadata["counters"] = counters.dump();
  return file;
}

void Trainer::load_state(const TensorFile& file, std::int64_t skipped) {
  const Json counters = metadata_json(file, "counters", "checkpoint");
  const std::int64_t step = whole_number({{"step", metadata_json(file, "step", "checkpoint")}}, "step", 0, plan_.steps);
  const double rate_scale = real_number(counters, "rate_scale", std::numeric_limits<double>::min(), 1);
  const std::vector<double> schedule = reals_or_nan(counters, "schedule", -HUGE_VAL, static_cast<double>(step));
  if (seed_number(counters, "seed") != plan_.config.seed)
    throw Error(ErrorKind::model,
                text("`seed` is ", seed_number(counters, "seed"), ", that of the settings ", plan_.config.seed));
  net_.load_state(nn::network_tensors(file));
  if (const std::string name = broken_weight(net_); !name.empty())
    throw Error(ErrorKind::model, text("weight ", name, " is not finite"), "start a new run with a smaller --lr");
  if (skipped > step) refuse("skipped", skipped, text("at most `step`, ", step));
  const std::int64_t taken = step - skipped, averaged = ema_ ? taken : 0;
  optimizer_->load_state(with_prefix(file, "optim."), whole_number(counters, "optimizer_steps", taken, taken));
  whole_number(counters, "ema_updates", averaged, averaged);
  if (ema_) ema_->load_state(with_prefix(file, "ema."), averaged);
  schedule_.load_state(schedule);
  rate_scale_ = rate_scale;
  step_ = step;
  updated_ = std::max<std::int64_t>(0, step - 1);
}

std::vector<NamedTensor> Trainer::weights() {
  std::vector<NamedTensor> result = evaluated().net->state();
  end_validation(std::nan(""));
  return result;
}

}  // namespace voxgrad::apps

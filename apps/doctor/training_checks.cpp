#include "apps/doctor/training_checks.h"

#include <algorithm>
#include <cmath>

#include "apps/doctor/training_checks_detail.h"
#include "apps/training/trainer.h"
#include "engine/backend.h"
#include "engine/ops.h"
#include "losses/core/grammar.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kPatches = 32, kMostBatches = 8;  // that are looked at
constexpr std::int64_t kSmallBatch = 32768;              // voxels
constexpr double kSure = 12;                             // logit of a class of which the output is sure

struct TrainingCheck {
  const char* name;
  const char* question;
  const char* work;  // what is done, for people who wait
  bool before_training;
  void (*examine)(Trial&, std::vector<Finding>&);
};

constexpr TrainingCheck kTrainingChecks[]{
    {"foreground_patches", "do enough patches of the first batches show foreground?", "looking at patches", true,
     check_foreground},
    {"batch_labels", "do the first batches have more than one class, and voxels that count?", "looking at labels", true,
     check_batch_labels},
    {"batch_intensities", "are the normalised intensities a few units, and not all the same?", "looking at intensities",
     true, check_intensities},
    {"loss_value", "is the loss lowest where the output is right, and of a usual size?", "trying the loss", true,
     check_loss_value},
    {"loss_terms", "does every term of the loss count?", "trying the terms of the loss", true, check_terms},
    {"gradients", "does every layer get a gradient of a usual size?", "one backward pass", false, check_gradients},
    {"dead_channels", "do the channels of every layer say something?", "one forward pass", false, check_dead_channels},
    {"learning_rate", "does the loss stay bounded at the planned learning rate?", "steps at the planned rate", false,
     check_rate},
    {"memorising", "can one batch be learned by heart?", "learning one batch by heart", false, check_memorising},
};

// The loss is called with labels alone then, and no batch is made that nobody asks for.
Plan for_trial(Plan plan) {
  plan.fields = nullptr;
  plan.loader.fields = nullptr;
  plan.loader.prefetch = 0;
  return plan;
}

}  // namespace

bool has_objective(const std::string& loss) {
  const std::vector<losses::TermText> terms = losses::parse_terms(loss);
  return std::any_of(terms.begin(), terms.end(),
                     [](const losses::TermText& term) { return losses::find_spec(term.name).objective; });
}

Trial::Trial(const data::Dataset& from, const Plan& wanted, Device on)
    : dataset(from),
      plan(for_trial(wanted)),
      device(on),
      net(std::move(fresh_model(plan, on).net)),
      feed_(from, plan, on) {
  const std::int64_t batches = std::clamp<std::int64_t>(kPatches / plan.config.batch, 1, kMostBatches);
  std::int64_t most = -1;
  for (std::int64_t step = 0; step < batches; ++step) {
    const std::int64_t foreground = describe(feed_.batch(step));
    if (foreground > most) most = foreground, step_ = step;
  }
}

std::int64_t Trial::describe(const TrainingBatch& batch) {
  std::int64_t foreground = 0;
  const Tensor images = batch.images.to(Device::cpu), labels = batch.truths[0].labels.to(Device::cpu);
  const std::int64_t channels = images.extent(-1), voxels = labels.numel() / labels.extent(0);
  const float* value = images.data<float>();
  const std::uint8_t* label = labels.data<std::uint8_t>();
  for (const std::string& id : batch.ids) {
    PatchFacts facts{.id = id};
    for (std::int64_t i = 0; i < voxels; ++i) ++facts.voxels[*label++];
    const int ignore = plan.context.ignore;
    facts.ignored = ignore >= 0 && ignore < 256 ? facts.voxels[static_cast<std::size_t>(ignore)] : 0;
    facts.foreground = voxels - facts.ignored - facts.voxels[0];
    foreground += facts.foreground;
    facts.low.assign(static_cast<std::size_t>(channels), HUGE_VAL);
    facts.high.assign(static_cast<std::size_t>(channels), -HUGE_VAL);
    for (std::int64_t i = 0; i < voxels; ++i)
      for (std::int64_t c = 0; c < channels; ++c, ++value) {
        nth(facts.low, c) = std::min(nth(facts.low, c), static_cast<double>(*value));
        nth(facts.high, c) = std::max(nth(facts.high, c), static_cast<double>(*value));
      }
    patches.push_back(std::move(facts));
  }
  return foreground;
}

LossValues Trial::values_of(const std::string& term) {
  for (const LossValues& values : known)
    if (values.term == term) return values;
  const TrainingBatch& first = batch();
  const losses::Loss loss = losses::make_loss(term);
  const std::int64_t classes = plan.model.net.classes;
  // The logits of the true class are `height` above those of the others.
  const auto at = [&](double height, double* gradient) {
    std::vector<Tensor> logits;
    for (const Truth& truth : first.truths) {
      std::vector<double> table(static_cast<std::size_t>(classes * classes), 0);
      for (std::int64_t c = 0; c < classes; ++c) nth(table, c * classes + c) = height;
      logits.push_back(
          lookup(from_vector({classes, classes}, table).to(device), truth.labels, DType::f32).set_requires_grad());
    }
    const std::vector<Tensor> leaves = logits;
    const Tensor value = batch_loss(loss, std::move(logits), first.truths, plan.context);
    if (gradient != nullptr && value.requires_grad()) {
      value.backward();
      double squares = 0;
      for (const Tensor& leaf : leaves)
        if (leaf.has_grad()) squares += leaf.backend().sum_of_squares(leaf.grad());
      *gradient = std::sqrt(squares);
    }
    return value.item();
  };
  LossValues values{term, 0, 0, 0, 0};
  values.uniform = at(0, &values.gradient);
  values.right = at(kSure, nullptr);
  values.wrong = at(-kSure, nullptr);
  known.push_back(values);
  return values;
}

Plan Trial::small_plan() const {
  Plan small = plan;
  small.loader.batch = std::clamp<std::int64_t>(kSmallBatch / plan.loader.patch.numel(), 1, plan.loader.batch);
  small.config.batch = small.loader.batch;
  return small;
}

std::vector<Finding> examine_training(const data::Dataset& dataset, const TrainConfig& config, Device device,
                                      const std::function<void(const std::string&)>& progress) {
  Trial trial(dataset, make_plan(dataset, config), device);
  std::vector<Finding> findings;
  for (const TrainingCheck& check : kTrainingChecks) {
    if (progress) progress(check.work);
    check.examine(trial, findings);
  }
  return findings;
}

std::vector<Finding> examine_first_batches(const data::Dataset& dataset, const Plan& plan, Device device) {
  Trial trial(dataset, plan, device);
  std::vector<Finding> findings;
  for (const TrainingCheck& check : kTrainingChecks)
    if (check.before_training) check.examine(trial, findings);
  return findings;
}

std::vector<std::pair<std::string, std::string>> training_checks() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const TrainingCheck& check : kTrainingChecks) list.emplace_back(check.name, check.question);
  return list;
}

}  // namespace voxgrad::apps

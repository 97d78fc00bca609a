// Checks that take steps, with small batches.
#include <algorithm>
#include <cmath>

#include "apps/doctor/training_checks_detail.h"
#include "apps/program/console.h"
#include "apps/training/trainer.h"
#include "engine/backend.h"
#include "engine/ops.h"

namespace voxgrad::apps {
namespace {

constexpr int kRateSteps = 12, kLookEvery = 10;
constexpr std::int64_t kMemoryBatch = 2, kFewSteps = 100, kManySteps = 200, kMemoryVoxels = 1 << 22;
constexpr double kBlowUp = 10;        // times the loss at the beginning
constexpr double kWeightsGrown = 30;  // times the norm of the first weights; a loss that is bounded does not grow
constexpr double kLeastDice = 0.5, kLeastFall = 0.05;
constexpr double kMostly = 0.75;  // of the way down: a mean over voxels can get there before it finds a small class

Plan at_full_rate(Plan plan) {
  plan.config.schedule = "constant";
  plan.schedule.warmup = 0;
  plan.schedule.total = plan.steps = std::max(plan.steps, kManySteps);
  return plan;
}

// Mean over the foreground classes that are in the labels [N, *S].
double dice_of(const Tensor& predicted, const Tensor& labels, std::int64_t classes, int ignore) {
  std::vector<double> both(static_cast<std::size_t>(classes)), sizes(both), there(both);
  const std::uint8_t *p = predicted.data<std::uint8_t>(), *t = labels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if (t[i] == ignore || t[i] >= classes || p[i] >= classes) continue;
    ++sizes[p[i]], ++sizes[t[i]], ++there[t[i]];
    both[t[i]] += p[i] == t[i] ? 1 : 0;
  }
  double sum = 0, count = 0;
  for (std::size_t c = 1; c < both.size(); ++c)
    if (there[c] > 0) sum += 2 * both[c] / sizes[c], ++count;
  return count > 0 ? sum / count : std::nan("");
}

// The step whose batch has the most foreground, among the first few.
std::int64_t best_step(Feed& feed, int ignore) {
  std::int64_t best = 0, most = -1;
  for (std::int64_t step = 0; step < 8; ++step) {
    const Tensor labels = feed.batch(step).truths[0].labels.to(Device::cpu);
    const std::uint8_t* first = labels.data<std::uint8_t>();
    const std::int64_t foreground =
        std::count_if(first, first + labels.numel(), [&](std::uint8_t label) { return label != 0 && label != ignore; });
    if (foreground > most) most = foreground, best = step;
  }
  return best;
}

}  // namespace

bool Memorised::done() const {
  return std::isnan(dice) ? steps > 0 : dice > kLeastDice && fall > kLeastFall;  // NaN: nothing to find
}

void check_rate(Trial& trial, std::vector<Finding>& findings) {
  const Plan plan = at_full_rate(trial.small_plan());
  const std::string planned = text("with the planned rate ", significant(plan.config.lr), ", without warm-up, ");
  const auto found = [&](const std::string& what) {
    findings.push_back({"learning_rate", true, what, "the first steps",
                        "the training would diverge, or forget at once what it learned.",
                        text("try --lr ", significant(plan.config.lr / 10, 2)), ""});
  };
  Trainer trainer(trial.dataset, plan, trial.device);
  const auto norm = [&] { return weight_norm(*trainer.evaluated().net); };
  const double norm_before = norm();
  double first = 0, most = 0;
  try {
    for (int step = 0; step < kRateSteps; ++step) {
      const double loss = trainer.step().loss;
      if (step == 0) first = loss;
      most = std::max(most, loss);
    }
    trainer.require_finite();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::diverged) throw;
    return found(text(planned, error.message(), "."));
  }
  const LossValues values = trial.values_of(plan.config.loss);
  if (most - first > (kBlowUp - 1) * std::max(std::abs(first), values.uniform - values.right))
    return found(text(planned, "the loss grows from ", significant(first), " to ", significant(most), " within ",
                      kRateSteps, " steps."));
  const double growth = norm() / norm_before;
  if (growth > kWeightsGrown)
    found(text(planned, "the norm of the weights grows ", significant(growth, 2), " times within ", kRateSteps,
               " steps."));
}

Memorised memorise(Trial& trial) {
  Plan plan = at_full_rate(trial.small_plan());
  plan.loader.batch = plan.config.batch = std::min(plan.config.batch, kMemoryBatch);
  const nn::Model model = fresh_model(plan, trial.device);
  nn::UNet& net = *model.net;
  const auto optimizer = nn::make_optimizer(plan.config.optimizer, net, plan.optimizer);
  const losses::Loss loss = losses::make_loss(plan.config.loss);
  Feed feed(trial.dataset, plan, trial.device);
  const TrainingBatch& batch = feed.batch(best_step(feed, plan.context.ignore));
  const Tensor labels = batch.truths[0].labels.to(Device::cpu);
  const std::int64_t most = std::clamp<std::int64_t>(kMemoryVoxels / labels.numel(), kFewSteps, kManySteps);
  const double right = trial.values_of(plan.config.loss).right;
  Memorised result;
  for (; result.steps < most && !result.done(); ++result.steps) {
    net.set_step(plan.config.seed, result.steps);
    std::vector<Tensor> logits = net.outputs(batch.images.to(plan.config.amp ? DType::bf16 : DType::f32));
    if (result.steps % kLookEvery == kLookEvery - 1)
      result.dice = dice_of(argmax(logits[0]).to(Device::cpu), labels, plan.model.net.classes, plan.context.ignore);
    const Tensor value = batch_loss(loss, std::move(logits), batch.truths, plan.context);
    result.after = value.item();
    if (result.steps == 0) result.before = result.after;
    result.fall = (result.before - result.after) / std::abs(result.before - right);
    if (!std::isfinite(result.after)) break;
    value.backward();
    nn::clip_gradients(net, plan.config.clip > 0 ? plan.config.clip : HUGE_VAL);
    optimizer->step(plan.config.lr);
    net.zero_grad();
  }
  return result;
}

void check_memorising(Trial& trial, std::vector<Finding>& findings) {
  const Memorised result = memorise(trial);
  if (result.done() || !std::isfinite(result.after)) return;  // check_rate finds what is not finite
  const TrainConfig& config = trial.plan.config;
  const bool falls = result.fall > kLeastFall;
  const std::string faster = text("--lr ", significant(10 * config.lr, 2));
  findings.push_back(
      {"memorising", has_objective(config.loss) && result.fall < kMostly,
       text("after ", result.steps, " steps on one and the same batch the loss ", config.loss,
            falls ? " has fallen" : " has hardly fallen", " (from ", significant(result.before), " to ",
            significant(result.after), "), and the foreground Dice on that batch is ", fixed(result.dice, 2), "."),
       "one batch",
       has_objective(config.loss)
           ? result.fall < kMostly ? "a network that cannot learn one batch by heart does not learn a dataset."
                                   : "the loss is nearly as low as it can be, but a class is not found yet."
           : "such a term is no training objective by itself; it is to be added to another loss.",
       falls ? text("see whether the masks fit the images; if they do, try ", faster, " or --loss dice_ce")
             : text("try ", faster, " or a tenth of the rate, and see whether the masks fit the images"),
       ""});
}

}  // namespace voxgrad::apps

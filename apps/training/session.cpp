#include "apps/training/session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/signals.h"
#include "apps/training/checkpoint.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/transfer.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr int kMostSkipped = 20;  // beyond that it is no accident
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Session::Session(const data::Dataset& dataset, const Plan& plan, RunDirectory& directory, Observer& observer,
                 Device device, const std::string& command, const std::optional<DatasetChecksums>& known)
    : dataset_(dataset),
      plan_(plan),
      directory_(directory),
      observer_(observer),
      device_(device),
      reasons_(reasons_json(plan)),
      command_(command),
      first_command_(command),
      checksums_(known ? *known : checksums_of(dataset)),
      description_(checksum_of_description(dataset.info(), {plan.loader.cases, plan.val, plan.test})),
      trainer_(dataset, plan, device) {
  backend_of(device).pool().reset_peak();
  if (plan.start) transfer_ = to_json(*plan.start);
}

double Session::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(Clock::now() - start_).count();
}

void Session::warn(const std::string& warning) {
  observer_.on_warning(warning);
  remember(warning);
}

void Session::remember(const std::string& warning) {
  if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) warnings_.push_back(warning);
}

bool Session::attempt(const std::function<void()>& write) {
  try {
    write();
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::io) throw;
    warn(error.message() + "; training goes on");
    return false;
  }
}

void Session::event(Json line) {
  attempt([&] { directory_.log(line); });
}

// --- The loop ---

TrainResult Session::run() {
  const SignalGuard guard;
  if (const std::string before = directory_.file("run.json"); std::filesystem::exists(before)) {
    try {
      take_over(before);
    } catch (const Error& error) {  // the checkpoint has all that the training needs
      warn(error.message() + "; it is written anew");
    }
  }
  attempt([&] { directory_.write("config.toml", to_toml(plan_.config)); });
  write_manifest("running", {});
  event({{"event", "start"}, {"step", trainer_.steps_done()}, {"command", command_}});
  try {
    if (trainer_.steps_done() == 0) save_last();
    prepare_fields();
    train();
    return finish();
  } catch (const Interrupted& interrupted) {
    save_course();
    event({{"event", "interrupted"}, {"step", trainer_.steps_done()}, {"signal", interrupted.signal}});
    write_manifest("interrupted", {});
    throw;
  } catch (const std::exception& exception) {
    const auto* const error = dynamic_cast<const Error*>(&exception);
    const bool diverged = error != nullptr && error->kind() == ErrorKind::diverged;
    save_course();
    event({{"event", "error"},
           {"step", trainer_.steps_done()},
           {"message", error != nullptr ? error->message() : exception.what()},
           {"hint", error != nullptr ? error->hint() : ""}});
    write_manifest(diverged ? "diverged" : "error", {});
    if (trainer_.steps_done() == 0 && !diverged) directory_.discard();
    throw;
  }
}

// This is done before the first step and announced, because it can take long.
void Session::prepare_fields() {
  if (!plan_.fields) return;
  bool told = false;
  const auto progress = [&] {
    if (!std::exchange(told, true))
      observer_.on_message(text("fields    ", join(plan_.fields->keys(), ", "),
                                " of the training cases are made once, for ", plan_.fields->cache()));
    if (const int signal = pending_signal()) throw Interrupted{signal};
  };
  plan_.fields->prepare(dataset_, plan_.loader.cases, plan_.loader.patch, plan_.loader.prepare, progress,
                        [&](const std::string& message) { warn(message); });
}

void Session::train() {
  const auto surviving = [this](bool can_skip, auto&& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged || (plan_.on_nan == OnNan::skip && !can_skip)) throw;
      survive(error);
    }
  };
  while (trainer_.steps_done() < plan_.steps && !out_of_patience()) {
    double lr = kUnknown;
    surviving(true, [&] {
      const StepReport report = trainer_.step();
      loss_sum_ += report.loss;
      ++loss_count_;
      skipped_in_a_row_ = 0;
      lr = report.lr;
      observer_.on_step(report, plan_);
    });
    const std::int64_t done = trainer_.steps_done(), recorded = history_.empty() ? 0 : history_.back().step;
    if (done > recorded && (done % plan_.steps_per_epoch == 0 || done == plan_.steps))
      surviving(false, [&] { end_epoch(lr); });  // what a step has done to the weights cannot be skipped
    if (const int signal = pending_signal()) {
      // A rollback goes to the end of an epoch, whether the run was interrupted or not; so its steps come again.
      if (plan_.on_nan != OnNan::rollback) save_last();
      throw Interrupted{signal};
    }
  }
}

// It depends on the history alone, so a run that goes on knows it, too.
bool Session::out_of_patience() const {
  if (plan_.config.patience == 0) return false;
  const std::int64_t best = best_record(history_);
  if (best == 0) return false;
  const auto in_vain = std::count_if(history_.begin() + best, history_.end(),
                                     [](const EpochRecord& record) { return !std::isnan(record.val_dice); });
  return in_vain >= plan_.config.patience;
}

// To be called while an Error(diverged) is being handled. Throws it again if the settings say so.
void Session::survive(const Error& error) {
  const std::string what = error.message();
  if (plan_.on_nan == OnNan::stop) throw;
  if (plan_.on_nan == OnNan::skip) {
    if (++skipped_in_a_row_ > kMostSkipped)
      throw Error(ErrorKind::diverged, text(what, ", as in the ", kMostSkipped, " steps before"), error.hint());
    trainer_.skip();
    ++skipped_;
    warn(what + "; this step is left out");
  } else {
    if (++rollbacks_ > kMostRollbacks)
      throw Error(ErrorKind::diverged, text(what, ", after ", kMostRollbacks, " rollbacks"), error.hint());
    std::string warning;
    restore(directory_.load_last(warning));
    trainer_.scale_rate(0.5);
    save_last();
    warn(text(what, "; back to step ", trainer_.steps_done(), " with half the learning rate"));
  }
  event({{"event", name_of(plan_.on_nan)}, {"step", trainer_.steps_done()}, {"message", what}});
}

void Session::end_epoch(double lr) {
  const std::int64_t done = trainer_.steps_done(), epoch = plan_.epoch_of(done), every = plan_.config.validate_every;
  EpochRecord record{epoch, done,     loss_count_ > 0 ? loss_sum_ / static_cast<double>(loss_count_) : kUnknown,
                     lr,    kUnknown, {}};
  trainer_.require_finite();
  const bool last = done == plan_.steps;
  if (last || (every > 0 && epoch % every == 0)) {
    const std::vector<CaseResult> cases = validate();
    record.val_dice = validation_dice(cases);
    for (std::size_t label = 1; label < plan_.model.class_names.size(); ++label)
      record.val_classes.push_back(losses::summarise(over_cases(cases, label)).mean);
    trainer_.end_validation(record.val_dice);
  }
  loss_sum_ = 0;
  loss_count_ = 0;
  history_.push_back(record);
  const std::int64_t records = std::ssize(history_), best = best_record(history_);
  // Validations that found nothing do not tell which weights are better, so that the last ones are taken.
  const bool unknown = best == 0 || nth(history_, best - 1).val_dice == 0;
  if (best == records || (unknown && (last || out_of_patience()))) {
    best_ = records;
    best_weights_ = trainer_.weights();
    save_best();
  }
  // A rollback goes back to the end of the epoch before.
  const bool due = best_ == records || last || out_of_patience() || plan_.on_nan == OnNan::rollback ||
                   seconds() - saved_at_ >= kSecondsBetweenCheckpoints;
  if (due) save_last();
  event({{"event", "epoch"},
         {"epoch", epoch},
         {"step", done},
         {"loss", number(record.loss)},
         {"lr", number(lr)},
         {"val_dice", number(record.val_dice)},
         {"val_classes", to_json({record}).at(0).at("val_classes")},
         {"seconds", seconds()}});
  course_saved_ = due && attempt([&] { write_course(); });
  observer_.on_epoch(record, plan_);
}

// Weights that give no finite output have diverged.
std::vector<CaseResult> Session::validate() try {
  trainer_.release_recording();
  EvaluateOptions options;
  options.mirror = false;  // the best epoch is the same one, in a fraction of the time
  options.found = [this](const data::Case& one, const Tensor& labels, const CaseResult& result) {
    observer_.on_case(one, labels, result, plan_);
  };
  return evaluate_cases(trainer_.evaluated(), dataset_, plan_.validated, options);
} catch (const Error& error) {
  trainer_.end_validation(kUnknown);
  if (error.kind() != ErrorKind::model) throw;
  throw trainer_.failed("the step has broken the weights, the validation failed: " + error.message());
}

TrainResult Session::finish() {
  trainer_.release_recording();
  TrainResult result;
  result.run = directory_.path();
  result.epochs = plan_.epoch_of(trainer_.steps_done());
  const EpochRecord& best = history_.at(static_cast<std::size_t>(best_ - 1));
  result.best_epoch = best.epoch;
  result.val_dice = best.val_dice;
  result.rise = late_rise(history_);
  result.parameters = trainer_.parameter_count();
  result.class_names = plan_.model.class_names;
  nn::Model model{plan_.model, std::make_unique<nn::UNet>(plan_.model.net, Random(0)), ""};
  model.net->load_state(best_weights_);
  model.net->to(device_);
  model.net->train(false);
  const nn::Progress end_on_signal = [](double) {
    if (const int signal = pending_signal()) throw Interrupted{signal};
  };
  if (plan_.chooses_clean_up()) {
    result.clean_up = choose_clean_up(model, dataset_, plan_.validated, end_on_signal);
    model.spec.clean_up = clean_up_ = result.clean_up->chosen;
    save_best();
  }
  EvaluateOptions how;
  how.needs = losses::Needs::probabilities;
  how.progress = end_on_signal;
  if (!plan_.test.empty()) result.test = evaluate_cases(model, dataset_, plan_.test, how);
  if (finds_nothing(result.val_dice, foreground_mean(result.test)))
    warn(
        "the model finds nothing: Dice is 0 on all validation and test cases; try more --steps, or another "
        "--loss or --lr");
  if (!best_saved_) save_best();
  result.warnings = warnings_;
  result.seconds = seconds();
  result.peak_memory = peak_memory_bytes();
  event({{"event", "finished"}, {"step", trainer_.steps_done()}, {"test_dice", number(foreground_mean(result.test))}});
  results_ = to_json(result);
  results_.erase("warnings");  // the manifest has them
  results_["history"] = to_json(history_);
  results_["test_cases"] = to_json(result.test, result.class_names).at("cases");
  if (result.clean_up) results_["val_cases"] = to_json(result.clean_up->results, result.class_names).at("cases");
  write_manifest(best_saved_ ? "finished" : "error", results_);
  return result;
}

}  // namespace voxgrad::apps

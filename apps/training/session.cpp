#include "apps/training/session.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/manifest.h"
#include "apps/program/signals.h"
#include "apps/training/checkpoint.h"
#include "apps/training/curves.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/transfer.h"
#include "engine/backend.h"
#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr int kMostRollbacks = 10, kMostSkipped = 20;  // beyond that it is no accident
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::string text_of(const DatasetChecksums& sums) { return text(sums.images, "/", sums.labels); }

}  // namespace

Session::Session(const data::Dataset& dataset, const Plan& plan, RunDirectory& directory, Observer& observer,
                 Device device, const std::string& command)
    : dataset_(dataset),
      plan_(plan),
      directory_(directory),
      observer_(observer),
      device_(device),
      reasons_(reasons_json(plan)),
      command_(command),
      first_command_(command),
      checksums_(checksums_of(dataset)),
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

template <class F>
bool Session::attempt(F&& write) {
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
  const std::string manifest_file = directory_.file("run.json");
  if (std::filesystem::exists(manifest_file)) {
    const Json before = read_json(manifest_file);
    seconds_before_ = before.value("seconds", 0.0);
    first_command_ = before.value("command", command_);
    reasons_ = before.value("reasons", Json());
    if (before.contains("transfer")) transfer_ = before["transfer"];
    for (const std::string& warning : before.value("warnings", std::vector<std::string>())) remember(warning);
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
    event({{"event", "interrupted"}, {"step", trainer_.steps_done()}, {"signal", interrupted.signal}});
    write_manifest("interrupted", {});
    throw;
  } catch (const std::exception& exception) {
    const auto* const error = dynamic_cast<const Error*>(&exception);
    const bool diverged = error != nullptr && error->kind() == ErrorKind::diverged;
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
      save_last();
      throw Interrupted{signal};
    }
  }
}

// It depends on the history alone, so a run that goes on knows it, too.
bool Session::out_of_patience() const {
  if (plan_.config.patience == 0 || best_ == 0) return false;
  const auto in_vain = std::count_if(history_.begin() + best_, history_.end(),
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
    record.val_dice = foreground_mean(cases);
    for (std::size_t label = 1; label < plan_.model.class_names.size(); ++label)
      record.val_classes.push_back(losses::summarise(over_cases(cases, label)).mean);
    trainer_.end_validation(record.val_dice);
  }
  loss_sum_ = 0;
  loss_count_ = 0;
  history_.push_back(record);
  const double best = best_ > 0 ? nth(history_, best_ - 1).val_dice : kUnknown;
  if (record.val_dice > best || (std::isnan(best) && (last || !std::isnan(record.val_dice)))) {
    best_ = std::ssize(history_);
    best_weights_ = trainer_.weights();
    best_saved_ = attempt([&] { directory_.save_best(best_model()); });
  }
  save_last();
  event({{"event", "epoch"},
         {"epoch", epoch},
         {"step", done},
         {"loss", number(record.loss)},
         {"lr", number(lr)},
         {"val_dice", number(record.val_dice)},
         {"val_classes", to_json({record}).at(0).at("val_classes")},
         {"seconds", seconds()}});
  attempt([&] {
    directory_.write("metrics.csv", to_csv(history_, plan_.model.class_names));
    directory_.write("curves.svg", curves_svg(history_));
  });
  observer_.on_epoch(record, plan_);
}

// Weights that give no finite output have diverged.
std::vector<CaseResult> Session::validate() try {
  EvaluateOptions options;
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
  if (plan_.chooses_clean_up()) {
    result.clean_up = choose_clean_up(model, dataset_, plan_.validated);
    model.spec.clean_up = clean_up_ = result.clean_up->chosen;
    best_saved_ = attempt([&] { directory_.save_best(best_model()); });
  }
  if (!plan_.test.empty()) result.test = evaluate_cases(model, dataset_, plan_.test, {losses::Needs::probabilities});
  if (finds_nothing(result.val_dice, foreground_mean(result.test)))
    warn(
        "the model finds nothing: Dice is 0 on all validation and test cases; try more --steps, or another "
        "--loss or --lr");
  result.warnings = warnings_;
  result.seconds = seconds();
  result.peak_memory = peak_memory_bytes();
  event({{"event", "finished"}, {"step", trainer_.steps_done()}, {"test_dice", number(foreground_mean(result.test))}});
  Json results = to_json(result);
  results.erase("warnings");  // the manifest has them
  results["history"] = to_json(history_);
  results["test_cases"] = to_json(result.test, result.class_names).at("cases");
  write_manifest("finished", results);
  return result;
}

void Session::save_missing() {
  if (!best_saved_) directory_.save_best(best_model());
  if (!last_saved_) directory_.save_last(checkpoint());
}

// --- Checkpoints and the manifest ---

void Session::describe(TensorFile& file, const EpochRecord* record) const {
  file.metadata["config"] = to_json(plan_.config).dump();
  file.metadata["model"] = nn::to_text(plan_.model);
  file.metadata["dataset_crc32"] = text_of(checksums_);
  file.metadata["description_crc32"] = std::to_string(description_);
  file.metadata["versions"] = Json{{"voxgrad", version()}}.dump();
  if (record == nullptr) return;
  file.metadata["best"] =
      Json{{"epoch", record->epoch}, {"step", record->step}, {"val_dice", number(record->val_dice)}}.dump();
}

TensorFile Session::checkpoint() const {
  TensorFile file = trainer_.state();
  describe(file, best_ > 0 ? &nth(history_, best_ - 1) : nullptr);
  file.metadata["epoch"] = std::to_string(plan_.epoch_of(trainer_.steps_done()));
  file.metadata["history"] = to_json(history_).dump();
  file.metadata["running"] = Json{
      {"loss_sum", number(loss_sum_)},
      {"loss_count", loss_count_},
      {"skipped", skipped_},
      {"best_record", best_}}.dump();
  return file;
}

TensorFile Session::best_model() const {
  TensorFile file;
  file.tensors = best_weights_;
  describe(file, &nth(history_, best_ - 1));
  nn::ModelSpec spec = plan_.model;
  spec.clean_up = clean_up_;
  file.metadata["model"] = nn::to_text(spec);
  return file;
}

void Session::save_last() {
  last_saved_ = attempt([&] { directory_.save_last(checkpoint()); });
}

void Session::restore(const TensorFile& file) try {
  trainer_.load_state(file);
  history_ = history_from_json(metadata_json(file, "history", "checkpoint"));
  const Json running = metadata_json(file, "running", "checkpoint");
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  loss_sum_ = to_number(running.at("loss_sum"));
  loss_count_ = whole_number(running, "loss_count", 0, kMost);
  skipped_ = whole_number(running, "skipped", 0, kMost);
  // A training that came to its end has a best epoch.
  best_ = whole_number(running, "best_record", trainer_.steps_done() == plan_.steps ? 1 : 0, std::ssize(history_));
  if (best_ > 0) best_weights_ = nn::network_tensors(load_tensors(directory_.file("best.safetensors")));
} catch (const nlohmann::json::exception& error) {
  throw Error(ErrorKind::model, directory_.file("last.safetensors") + ": " + error.what());
} catch (const Error& error) {
  if (error.kind() != ErrorKind::model) throw;
  throw Error(ErrorKind::model, directory_.file("last.safetensors") + ": " + error.what(), error.hint());
}

void Session::resume() {
  std::string warning;
  const TensorFile file = directory_.load_last(warning);
  if (!warning.empty()) warn(warning);
  const auto crc = file.metadata.find("dataset_crc32");
  if (crc == file.metadata.end() || crc->second != text_of(checksums_))
    throw Error(ErrorKind::data,
                dataset_.info().path + ": its content is not what " + directory_.path() + " was trained on",
                "give the original file, or start a new run");
  // Runs from before this key cannot be compared.
  const auto described = file.metadata.find("description_crc32");
  if (described != file.metadata.end() && described->second != std::to_string(description_))
    throw Error(ErrorKind::data,
                dataset_.info().path + ": its splits, groups, spacing or names are not those that " +
                    directory_.path() + " was trained with",
                "give the original file, or start a new run");
  restore(file);
}

void Session::write_manifest(const std::string& exit_reason, const Json& results) {
  Json json = manifest();
  json["command"] = first_command_;
  json["exit_reason"] = exit_reason;
  json["dataset"] = {
      {"path", dataset_.info().path}, {"images_crc32", checksums_.images}, {"labels_crc32", checksums_.labels}};
  json["split"] = {{"train", plan_.loader.cases.size()}, {"val", plan_.val.size()}, {"test", plan_.test.size()}};
  json["config"] = to_json(plan_.config);
  json["reasons"] = reasons_;
  if (!transfer_.is_null()) json["transfer"] = transfer_;
  json["classes"] = plan_.model.class_names;
  json["epochs"] = plan_.epoch_of(plan_.steps);
  json["device"] = name_of(device_);
  const Shortcuts shortcuts = backend_of(device_).allowed();
  json["tf32"] = shortcuts.tf32;
  json["fast"] = shortcuts.fast;
  const Replay& replay = trainer_.replay();
  json["replay"] = {{"steps", replay.replayed()}, {"called", replay.called()}, {"refusal", replay.refusal()}};
  json["parameters"] = trainer_.parameter_count();
  json["steps"] = trainer_.steps_done();
  json["skipped_steps"] = skipped_;
  json["seconds"] = seconds();
  json["peak_memory_bytes"] = peak_memory_bytes();
  json["peak_tensor_bytes"] = backend_of(device_).pool().statistics().peak;
  json["warnings"] = warnings_;
  if (!results.is_null()) json["results"] = results;
  attempt([&] { directory_.write("run.json", json.dump(2) + "\n"); });
}

Json to_json(const TrainResult& result) {
  Json test = Json::object();
  if (!result.test.empty()) {
    test["dice_mean"] = number(foreground_mean(result.test));
    for (std::size_t label = 1; label < result.class_names.size(); ++label)
      test["dice"][std::to_string(label)] = number(losses::summarise(over_cases(result.test, label)).mean);
  }
  return {{"run", result.run},
          {"epochs", result.epochs},
          {"best_epoch", result.best_epoch},
          {"val", {{"dice_mean", number(result.val_dice)}, {"rise", number(result.rise)}}},
          {"clean_up", result.clean_up ? to_json(*result.clean_up, result.class_names) : Json()},
          {"test", test},
          {"seconds", result.seconds},
          {"peak_memory_bytes", result.peak_memory},
          {"parameters", result.parameters},
          {"warnings", result.warnings}};
}

}  // namespace voxgrad::apps

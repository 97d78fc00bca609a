// What a session writes and reads again: checkpoints, the manifest, the course of the epochs.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/manifest.h"
#include "apps/training/checkpoint.h"
#include "apps/training/curves.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/session.h"
#include "engine/backend.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Refuses a checkpoint whose settings are not those of `run`. A dataset may have moved.
void require_settings(const Json& checkpoint, const Json& run, const std::string& whose) {
  for (const auto& [name, value] : run.items())
    if (name != "data" && member(checkpoint, name) != value)
      refuse("config." + name, checkpoint.at(name), dumped(value) + whose);
}

// The largest time in the events of a run: a process that was killed has not written its own to run.json.
double seconds_in_log(const std::string& path) {
  double most = 0;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);)
    if (const Json event = json_or_null(line); event.is_object() && event.contains("seconds"))
      if (const Json& seconds = event.at("seconds"); seconds.is_number())
        most = std::max(most, std::min(seconds.get<double>(), kMostSeconds));
  return most;
}

}  // namespace

// Takes over what the process before has written about the run.
void Session::take_over(const std::string& manifest) {
  reading(manifest, ErrorKind::data, [&] {
    const Json before = read_json(manifest);
    if (!before.is_object()) throw Error(ErrorKind::data, "it is no JSON object");
    const double seconds = before.contains("seconds") ? real_number(before, "seconds", 0, kMostSeconds) : 0;
    const std::string command = text_or(before, "command", command_);
    for (const std::string& warning : texts_or_none(before, "warnings")) remember(warning);
    seconds_before_ = std::max(seconds, seconds_in_log(directory_.file("log.jsonl")));
    first_command_ = command;
    reasons_ = before.value("reasons", Json());
    transfer_ = before.value("transfer", transfer_);
  });
}

// Writes the course of the epochs since the last checkpoint, before a run ends in the middle.
void Session::save_course() {
  if (!course_saved_ && !history_.empty()) course_saved_ = attempt([&] { write_course(); });
}

void Session::write_course() {
  directory_.write("metrics.csv", to_csv(history_, plan_.model.class_names));
  directory_.write("curves.svg", curves_svg(history_));
}

void Session::save_missing() {
  if (!best_saved_) {
    directory_.save_best(best_model());
    best_saved_ = true;
    write_manifest("finished", results_);
  }
  if (!last_saved_) directory_.save_last(checkpoint());
  if (!course_saved_) write_course();
  if (!manifest_saved_) directory_.write("run.json", manifest_);
}

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
      {"rollbacks", rollbacks_},
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

void Session::save_best() {
  best_saved_ = attempt([&] { directory_.save_best(best_model()); });
}

// It names the best epoch, so the weights of that epoch must be there before it.
void Session::save_last() {
  if (!best_saved_) save_best();
  last_saved_ = best_saved_ && attempt([&] { directory_.save_last(checkpoint()); });
  if (last_saved_) saved_at_ = seconds();
}

void Session::restore(const TensorFile& file) {
  reading(directory_.file("last.safetensors"), ErrorKind::model, [&] { take_state(file); });
}

void Session::take_state(const TensorFile& file) {
  require_settings(metadata_json(file, "config", "checkpoint"), to_json(plan_.config), ", which the training has");
  const Json running = metadata_json(file, "running", "checkpoint");
  const std::int64_t skipped = whole_number(running, "skipped", 0, plan_.steps);
  trainer_.load_state(file, skipped);
  history_ = history_from_json(metadata_json(file, "history", "checkpoint"));
  const std::int64_t done = trainer_.steps_done();
  for (const EpochRecord& record : history_)
    if (const std::int64_t end =
            record.epoch > plan_.steps / plan_.steps_per_epoch ? plan_.steps : record.epoch * plan_.steps_per_epoch;
        record.step != end)
      refuse("history.step", record.step, text(end, ", where epoch ", record.epoch, " ends"));
  if (!history_.empty() && history_.back().step > done)
    throw Error(ErrorKind::model, text("`step` is ", done, ", but the history has step ", history_.back().step));
  loss_sum_ = real_or_nan(running, "loss_sum");
  loss_count_ = whole_number(running, "loss_count", 0, done);
  skipped_ = skipped;
  // A rollback restores a checkpoint that knows fewer of them; those of earlier versions know none.
  if (running.contains("rollbacks"))
    rollbacks_ = std::max(rollbacks_, static_cast<int>(whole_number(running, "rollbacks", 0, kMostRollbacks)));
  // A training that came to its end has a best epoch.
  best_ = whole_number(running, "best_record", done == plan_.steps ? 1 : 0, std::ssize(history_));
  best_saved_ = true;  // the one that the checkpoint names
  if (best_ == 0) return;
  const std::string path = directory_.file("best.safetensors");
  const TensorFile best = load_tensors(path);
  const std::int64_t step = nth(history_, best_ - 1).step;
  // It may have those of a later epoch, if the process ended before `last` was saved; that epoch comes again.
  if (const std::int64_t saved = whole_number(metadata_json(best, "best", path), "step"); saved < step)
    throw Error(ErrorKind::model,
                text(path, ": has the weights of step ", saved, ", the best epoch ended at step ", step),
                "start a new run, with --from " + directory_.file("last.safetensors") + " from the last weights");
  best_weights_ = nn::network_tensors(best);
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
  require_manifest(file);
  restore(file);
}

// The settings of a checkpoint must be those of run.json, if that one can be read; run() says if it cannot. What is no
// setting, but changes bits, is compared as well.
void Session::require_manifest(const TensorFile& file) {
  const std::string manifest = directory_.file("run.json");
  if (!std::filesystem::exists(manifest)) return;
  Json before, config;
  try {
    before = read_json(manifest);
    config = object_at(before, "config");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io || error.kind() == ErrorKind::memory) throw;
    return;
  }
  reading(directory_.file("last.safetensors"), ErrorKind::model,
          [&] { require_settings(metadata_json(file, "config", "checkpoint"), config, " as in " + manifest); });
  const Json now = device_json();
  for (const auto& [name, value] : now.items())
    if (before.contains(name) && before.at(name) != value)
      warn(text("the process before had ", name, " ", dumped(before.at(name)), ", this one has ", dumped(value),
                ": its last bits will be others"));
}

Json Session::device_json() const {
  const Shortcuts shortcuts = backend_of(device_).allowed();
  return {{"device", name_of(device_)}, {"tf32", shortcuts.tf32}, {"fast", shortcuts.fast}};
}

void Session::write_manifest(const std::string& exit_reason, const Json& results) {
  Json json = manifest();
  json["command"] = first_command_;
  json["exit_reason"] = exit_reason;
  json["dataset"] = {{"path", dataset_.info().path},
                     {"images_crc32", checksums_.images},
                     {"labels_crc32", checksums_.labels},
                     {"description_crc32", description_}};
  json["split"] = {{"train", plan_.loader.cases.size()}, {"val", plan_.val.size()}, {"test", plan_.test.size()}};
  json["config"] = to_json(plan_.config);
  json["reasons"] = reasons_;
  if (!transfer_.is_null()) json["transfer"] = transfer_;
  json["classes"] = plan_.model.class_names;
  json["epochs"] = plan_.epoch_of(plan_.steps);
  json.update(device_json());
  const Replay& replay = trainer_.replay();
  // The third step of the same work is recorded or refused.
  const bool changes = replay.refusal().empty() && replay.replayed() == 0 && replay.called() > 2;
  json["replay"] = {
      {"steps", replay.replayed()},
      {"called", replay.called()},
      {"refusal", changes ? "the loss depends on the spacing, which differs from batch to batch" : replay.refusal()}};
  json["parameters"] = trainer_.parameter_count();
  json["steps"] = trainer_.steps_done();
  json["skipped_steps"] = skipped_;
  json["seconds"] =
      exit_reason == "running" ? seconds_before_ : seconds();  // the live page knows those of this process
  json["peak_memory_bytes"] = peak_memory_bytes();
  json["peak_tensor_bytes"] = backend_of(device_).pool().statistics().peak;
  json["warnings"] = warnings_;
  if (!results.is_null()) json["results"] = results;
  manifest_ = dumped(json, 2) + "\n";
  manifest_saved_ = attempt([&] { directory_.write("run.json", manifest_); });
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

#include "apps/report/run_record.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/program/fields.h"
#include "apps/training/checkpoint.h"
#include "apps/training/evaluation_text.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

void read_results(RunRecord& run) {
  const Json& results = member(run.manifest, "results");
  run.history = history_from_json(member(results, "history"));
  run.test = cases_from_json(list_at(results, "test_cases"));
  if (results.contains("val_cases")) run.val = cases_from_json(list_at(results, "val_cases"));
  for (const std::vector<CaseResult>* cases : {&run.test, &run.val})
    for (const CaseResult& one : *cases) {
      bool whole = one.classes.size() == run.model.class_names.size();
      for (std::size_t label = 1; label < one.classes.size(); ++label)
        whole = whole && one.classes[label].values.size() > losses::metric_index("dice");
      if (!whole)
        throw Error(ErrorKind::data, text("the results of case \"", one.id, "\" do not fit the classes of the model"));
    }
}

}  // namespace

std::vector<EpochRecord> logged_history(const std::string& log) {
  std::vector<EpochRecord> history;
  for (std::size_t at = 0, end = 0; (end = log.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = parse_json(log.substr(at, end - at));
    const std::int64_t step = line.contains("step") ? whole_number(line, "step", 0, kMostSteps) : 0;
    const bool epoch = text_at(line, "event") == "epoch";
    while (!history.empty() && history.back().step + (epoch ? 1 : 0) > step) history.pop_back();  // steps grow
    if (!epoch) continue;
    Json record = line;
    if (!record.contains("val_classes")) record["val_classes"] = Json::array();
    history.push_back(history_from_json(Json::array({record})).front());
  }
  return history;
}

std::string loss_name(const std::string& loss) {
  return loss.find('+') == std::string::npos ? loss.substr(0, loss.find(':')) : loss;
}

bool is_run(const std::string& directory) { return fs::exists(directory + "/run.json"); }

RunRecord read_run(const std::string& directory) {
  RunRecord run;
  run.directory = directory;
  const std::string manifest = run.file("run.json"), model = checkpoint_file(directory), log = run.file("log.jsonl");
  run.manifest = read_json(manifest);
  const TensorFile weights = load_tensors(model);
  reading(model, ErrorKind::model, [&] {
    const auto spec = weights.metadata.find("model");
    if (spec == weights.metadata.end()) throw Error(ErrorKind::model, "no `model` in its metadata");
    run.model = nn::parse_spec(spec->second);
    if (!weights.metadata.contains("best")) return;
    const Json best = metadata_json(weights, "best", model);
    run.best_epoch = whole_number(best, "epoch", 1, kMostSteps);
    run.val_dice = real_or_nan(best, "val_dice", 0, 1);
  });
  reading(manifest, ErrorKind::data, [&] {
    run.config = config_from_json(member(run.manifest, "config"));
    run.loss = losses::make_loss(run.config.loss).text();
    run.steps = whole_number(run.manifest, "steps", 0, run.config.steps);
    run.warnings = texts_or_none(run.manifest, "warnings");
    for (const char* name : {"command", "version", "compiler", "build", "cpu", "device", "exit_reason"})
      text_at(run.manifest, name);
    whole_number(run.manifest, "threads", 1, kMostCount);
    whole_number(run.manifest, "parameters", 1, kMostMemory);
    real_number(run.manifest, "seconds", 0, kMostSeconds);
    for (const char* name : {"peak_memory_bytes", "peak_tensor_bytes"})
      whole_number(run.manifest, name, 0, kMostMemory);
    const Json& dataset = member(run.manifest, "dataset");
    text_at(dataset, "path");
    for (const char* name : {"images_crc32", "labels_crc32"}) whole_number(dataset, name, 0, 0xFFFFFFFF);
    if (run.manifest.contains("epochs")) whole_number(run.manifest, "epochs", 1, run.config.steps);
    if (run.manifest.contains("split"))
      for (const char* name : {"train", "val", "test"}) whole_number(run.manifest.at("split"), name, 0, kMostCount);
    if (run.finished()) read_results(run);
  });
  if (!run.finished()) reading(log, ErrorKind::data, [&] { run.history = logged_history(read_text(log)); });
  if (!run.history.empty()) run.steps = std::max(run.steps, run.history.back().step);
  return run;
}

}  // namespace voxgrad::apps

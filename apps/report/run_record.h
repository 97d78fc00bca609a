// What a run directory says about its run (training/run_directory.h), read from its files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/config.h"
#include "apps/training/evaluation.h"
#include "apps/training/history.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {

struct RunRecord {
  std::string directory;
  Json manifest;  // run.json
  TrainConfig config;
  std::string loss;  // as a text that names every parameter
  nn::ModelSpec model;
  std::vector<EpochRecord> history;
  std::int64_t steps = 0;        // that are done
  std::int64_t best_epoch = 0;   // 0: no epoch has ended
  double val_dice = 0;           // of the best epoch
  std::vector<CaseResult> test;  // none in a run that has not ended
  std::vector<CaseResult> val;   // as the clean-up was chosen by, with the metrics of counts; none without a choice
  std::vector<std::string> warnings;

  bool finished() const { return manifest.at("exit_reason") == "finished"; }
  std::string file(const std::string& name) const { return directory + "/" + name; }
};

// Returns the epochs from the lines of log.jsonl. An epoch that was done again, after a crash or a rollback, counts as
// it was last. Throws Error(data) if a whole line is damaged.
std::vector<EpochRecord> logged_history(const std::string& log);
// Returns the name of a loss without its parameters, for headings; a sum of losses as it is.
std::string loss_name(const std::string& loss);
// True if there is a run in the directory.
bool is_run(const std::string& directory);
// Throws Error(io) if a file is absent. Throws Error(data) or, for a checkpoint, Error(model) with the name of the file
// if one is damaged.
RunRecord read_run(const std::string& directory);

}  // namespace voxgrad::apps

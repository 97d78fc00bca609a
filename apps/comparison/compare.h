// Trains several losses under one protocol and tests them. For a given dataset, fold and seed every loss starts from
// the same weights, sees the same patches in the same order and has the same number of steps; the weights of its best
// epoch (training/history.h) are tested. A run that is complete is not done again, and one that was interrupted is
// continued.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apps/comparison/answers.h"
#include "apps/comparison/results.h"
#include "apps/program/console.h"
#include "apps/training/config.h"
#include "apps/training/session.h"
#include "data/sampling/loader.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// What a comparison does by itself: predictions that show what a loss has learned, and nothing else.
inline TrainConfig usual_comparison() {
  TrainConfig config;
  config.tta = "off";       // it takes time, and is the same gain for all losses
  config.clean_up = "off";  // it could hide what a loss does badly, and is another one for each loss
  return config;
}

struct CompareOptions {
  std::vector<std::string> datasets, losses;
  int seeds = 1;  // config.seed, config.seed + 1, ..
  int folds = 0;  // 0: the splits of the file; else n >= 3 folds, which never split a group
  // Every loss with a third of the learning rate, with it and with three times it, in each fold with the first seed; a
  // fold goes on with the one of the best validation Dice.
  bool tune = false;
  std::string baseline;  // the loss that others are compared with; empty: dice_ce if it is there, else the first
  TrainConfig config = usual_comparison();  // of every run, but for data, loss, fold and seed
  // If the settings do not say how long a training is: so many steps, times the square root of the number of foreground
  // classes, at most 3000, but at least as many patches as there are training cases. 0: as `train` chooses.
  std::int64_t short_steps = 0;
  std::set<std::string> of_preset = {};  // settings that the preset sets unless they are given
  std::string of_machine = {};           // " --device cuda --tf32", as they were given
  std::string out;
  int jobs = 1;                                                 // processes
  std::size_t cache_bytes = data::LoaderOptions().cache_bytes;  // of prepared cases that each of them keeps
  int shard = 0, of_shards = 1;  // this process does the runs number shard, shard + of_shards, ..
  bool merge = false;            // trains nothing; the runs of all shards must be there
  // For those who want to see more than the console shows; may be empty. `began` is called with all runs of this
  // process, [{dataset, loss, path}, ..], when the other processes have started. `observer` makes one that is told of a
  // training, and tells `next`; it is called in the process that trains.
  std::function<void(const Json& runs)> began = {};
  std::function<std::unique_ptr<Observer>(Observer& next, const std::string& run, const Plan&, int ignore_label)>
      observer = {};
};

// Every run has its directory OUT/<dataset>/<loss>/[lr_<rate>_][fold_<k>_]seed_<s>. Throws Error(usage) if OUT holds
// runs of another protocol. After a signal it throws Interrupted, when the present run has written a checkpoint and
// write_comparison() has been called with the runs that are complete.
Comparison compare(const CompareOptions& options, Device device, Console& console);

// How far a run of a comparison is: "complete", "diverged", "begun" (it has a checkpoint, from which it goes on) or
// "missing".
struct RunStatus {
  std::string dataset, loss, path, state;
};
// Looks at the directory of a comparison and trains nothing. With --tune the trials are runs, too. Throws what
// compare() throws for the protocol and for the files in the directory.
std::vector<RunStatus> status(const CompareOptions& options);

// Splits "A,B:x=1,y=2,C" into its losses: a comma before name=value belongs to the loss before it. "all" means every
// loss of the registry that is a training objective, with its default parameters.
std::vector<std::string> parse_losses(const std::string& text);

// Throws Error(usage) if the directory has files with names that a comparison writes, and no comparison has written
// them.
void require_own_directory(const std::string& directory);

// Returns the command line that makes the same comparison in a new directory.
std::string command_of(const CompareOptions& options);

// Reads results.json in the directory of a comparison. Throws Error(io) or Error(data).
Comparison read_comparison(const std::string& directory);
// Finds what follows from the runs, and writes it with them to results.json and results.csv. If nothing can be ranked,
// because every training diverged, the files are written without findings, and Error(data) is thrown.
Findings write_comparison(const Comparison& comparison, const std::string& directory);

}  // namespace voxgrad::apps

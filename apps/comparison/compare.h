// Trains several losses under one protocol and tests them. For a given dataset, fold and seed every loss starts from
// the same weights, sees the same patches in the same order and has the same number of steps; its checkpoint with the
// best validation Dice is tested. Runs that are complete are not done again, one that was interrupted goes on.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"
#include "apps/comparison/results.h"
#include "apps/program/console.h"
#include "apps/training/config.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct CompareOptions {
  std::vector<std::string> datasets, losses;
  int seeds = 1;  // config.seed, config.seed + 1, ..
  int folds = 0;  // 0: the splits of the file; else n >= 3 folds, which never split a group
  // Every loss with a third of the learning rate, with it and with three times it, on the first fold with the first
  // seed; it goes on with the one of the best validation Dice.
  bool tune = false;
  std::string baseline;  // the loss that others are compared with; empty: dice_ce if it is there, else the first
  TrainConfig config;    // of every run, but for data, loss, fold and seed
  std::string out;
  int jobs = 1;                  // processes
  int shard = 0, of_shards = 1;  // this process does the runs number shard, shard + of_shards, ..
  bool merge = false;            // trains nothing; the runs of all shards must be there
};

// Every run has its directory OUT/<dataset>/<loss>/[lr_<rate>_][fold_<k>_]seed_<s>. Error(usage) if OUT holds runs of
// another protocol. Interrupted, after the present run has written a checkpoint; write_comparison() has then been
// called with what is there.
Comparison compare(const CompareOptions& options, Device device, Console& console);

// "A,B:x=1,y=2,C" to its losses: a comma before name=value belongs to the loss before it. "all": every loss of the
// registry that is a training objective, with its default parameters.
std::vector<std::string> parse_losses(const std::string& text);
// The command line that makes the same comparison in a new directory.
std::string command_of(const CompareOptions& options);

// A comparison as it lies in a directory: results.json. Error(io), Error(data).
Comparison read_comparison(const std::string& directory);
// results.json, with the findings, and results.csv.
void write_comparison(const Comparison& comparison, const Findings& findings, const std::string& directory);

}  // namespace voxgrad::apps

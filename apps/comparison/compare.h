// Trains several losses under one protocol and tests them: for a given dataset and seed every loss starts from the same
// weights and sees the same patches in the same order. Runs that are complete are not done again.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/results.h"
#include "apps/training/config.h"
#include "apps/training/console.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct CompareOptions {
  std::vector<std::string> datasets, losses;
  int seeds = 1;       // config.seed, config.seed + 1, ..
  TrainConfig config;  // of every run, but for data, loss and seed
  std::string out;
  std::string command;
};

// Every run has its directory OUT/<dataset>/<loss>/seed_<k>; results.json and results.csv are written after each.
// Error(usage) if OUT holds runs of another protocol. Interrupted: the present run can be resumed, too.
Comparison compare(const CompareOptions& options, Device device, Console& console);

// "A,B:x=1,y=2,C" to its losses: a comma before name=value belongs to the loss before it. "all": every loss.
std::vector<std::string> parse_losses(const std::string& text);

}  // namespace voxgrad::apps

// What went wrong in a training, read from the files that it left. A file that is absent or damaged is a finding too.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/doctor/finding.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// Examines the directory of one training (run.json, log.jsonl, metrics.csv, config.toml and the checkpoints), which may
// still be running. The device loads the model. A run that is fine gives no findings.
std::vector<Finding> examine_run(const std::string& directory, Device device);

// The checks: the name and the question that each of them answers.
const std::vector<std::pair<std::string, std::string>>& run_checks();

}  // namespace voxgrad::apps

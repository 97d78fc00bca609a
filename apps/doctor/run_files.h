// The files of a run, read for an examination: what cannot be read becomes a finding, and the rest is used.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "apps/doctor/finding.h"
#include "apps/training/history.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct RunFiles {
  std::string directory;
  Json manifest = Json::object();        // run.json
  std::vector<Json> log;                 // log.jsonl, one object a line
  std::vector<EpochRecord> epochs;       // of metrics.csv, or of the log if that is damaged
  std::vector<std::string> class_names;  // foreground, of metrics.csv
  bool in_use = false;                   // a process is training there
  bool resumable = false;                // there is a checkpoint to go on from

  std::string exit_reason() const;
  // The last line of the log with this event; null if there is none.
  const Json* last(const std::string& event) const;
};

// Reads them; damaged and absent files are added to `findings`.
RunFiles read_run(const std::string& directory, Device device, std::vector<Finding>& findings);

// Values of JSON that somebody else may have written: NaN and "" stand for what is absent or of another type.
double real_of(const Json& object, const std::string& key);
std::string words_of(const Json& object, const std::string& key);

}  // namespace voxgrad::apps

// Small comparisons for tests: made up, and as command lines.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apps/comparison/compare.h"
#include "apps/program/manifest.h"
#include "tests/apps/support.h"

namespace voxgrad::test {

// A tested run with one foreground class of 100 voxels; Dice values of cases "0", "1", .. Of a case without the class
// the Dice is NaN if nothing was found, and -1 stands for one in which something was.
inline apps::ComparedRun tested_run(const std::string& dataset, const std::string& loss, std::uint64_t seed,
                                    const std::vector<double>& dice) {
  apps::ComparedRun run;
  run.dataset = dataset;
  run.loss = loss;
  run.seed = seed;
  run.seconds = 2;
  run.memory = 1 << 20;
  for (std::size_t i = 0; i < dice.size(); ++i) {
    const bool absent = std::isnan(dice[i]) || dice[i] < 0;
    const double value = dice[i] < 0 ? 0 : dice[i], tp = absent ? 0 : std::round(100 * value);
    const double fn = absent ? 0 : 100 - tp;
    run.cases.push_back({std::to_string(i), {{value, value - 0.5, 10 - 10 * value, tp, dice[i] < 0 ? 5 : fn, fn}}});
  }
  return run;
}

inline apps::Comparison made_up(const std::vector<apps::ComparedRun>& runs) {
  apps::Comparison comparison;
  comparison.numbers = {"dice", "relative_volume_difference", "hd95", "tp", "fp", "fn"};
  comparison.runs = runs;
  comparison.versions = apps::manifest();
  for (const apps::ComparedRun& run : runs) {
    apps::ComparedDataset dataset{run.dataset, run.dataset + ".h5", 2, {"background", "thing"}, {}};
    for (const apps::CaseNumbers& one : run.cases)
      dataset.cases.push_back({one.id, 0.01 * static_cast<double>(1 + dataset.cases.size()), 5.0, ""});
    const bool known = std::any_of(comparison.datasets.begin(), comparison.datasets.end(),
                                   [&](const auto& other) { return other.name == run.dataset; });
    if (!known) comparison.datasets.push_back(dataset);
  }
  return comparison;
}

// Two losses, two seeds, some tenths of a second per run.
inline std::vector<std::string> comparison_of(const std::vector<std::string>& data, const std::string& out,
                                              const std::vector<std::string>& more = {}) {
  std::vector<std::string> words{"compare", "-o",      out,  "--base",           "4", "--depth",
                                 "2",       "--patch", "32", "--validate-every", "0"};
  // What a test says itself is not said twice.
  const auto unless = [&](const std::string& flag, const std::string& value) {
    if (std::find(more.begin(), more.end(), flag) == more.end()) words.insert(words.end(), {flag, value});
  };
  unless("--losses", "ce,dice");
  unless("--seeds", "2");
  unless("--steps", "100");
  unless("--batch", "2");
  words.insert(words.end(), data.begin(), data.end());
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// results.json of a directory without what a clock or the system says.
inline apps::Json timeless_results(const std::string& directory) {
  apps::Json results = apps::Json::parse(bytes_of(directory + "/results.json"));
  results.erase("versions");
  for (apps::Json& run : results["runs"])
    for (const char* name : {"seconds", "peak_tensor_bytes"}) run.erase(name);
  for (apps::Json& analysis : results["analyses"])
    for (apps::Json& loss : analysis["ranking"])
      for (const char* name : {"seconds", "peak_tensor_bytes"}) loss.erase(name);
  return results;
}

}  // namespace voxgrad::test

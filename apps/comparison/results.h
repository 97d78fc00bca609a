// What a comparison found: the tested runs, the ranking made of them, and how both are written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/training/evaluation.h"
#include "apps/training/json.h"

namespace voxgrad::apps {

struct ComparedRun {
  std::string dataset, loss;  // the loss as it was asked for
  std::uint64_t seed;
  bool diverged = false;          // no test results then
  std::vector<CaseResult> cases;  // of the test split
  double val_dice = 0, seconds = 0;
};

// A loss on one dataset. A diverged run counts with Dice 0.
struct Standing {
  int rank;  // 1 is best; equal means share the better rank
  std::string loss;
  double dice;                  // mean over seeds of the foreground mean over cases
  double sd_cases;              // over the test cases, each averaged over seeds and classes
  double sd_seeds;              // of the mean; NaN for one seed
  std::vector<double> classes;  // mean Dice per foreground class
  double seconds;               // mean per run, test included
  int diverged;                 // runs
};

struct OverallStanding {
  double mean_rank;  // over the datasets
  std::string loss;
  double dice;  // mean over the datasets
};

// Sorted by rank. The runs of the dataset, in any order.
std::vector<Standing> rank_losses(const std::vector<ComparedRun>& runs, const std::string& dataset);
std::vector<OverallStanding> rank_overall(const std::vector<std::vector<Standing>>& datasets);

struct ComparedDataset {
  std::string name, path;
  std::vector<std::string> class_names;
  std::int64_t test_cases;
};

struct Comparison {
  Json protocol;
  std::vector<ComparedDataset> datasets;
  std::vector<ComparedRun> runs;
};

Json to_json(const Comparison& comparison);        // results.json
std::string to_csv(const Comparison& comparison);  // one line per dataset, loss, seed, case and class
// The tables for a person: one per dataset, and one over all.
std::string ranking_text(const Comparison& comparison);

}  // namespace voxgrad::apps

// From runs to the values that statistics compare. A case counts with its Dice, the mean over the classes that its
// truth has, so that the truth alone decides what counts: a class that is absent is no reward for a loss that leaves it
// empty, and is reported on its own (`alarms`). A loss takes part if it has the seeds and folds of the loss with the
// most runs. A diverged run counts as 0.
//
// A unit is what was drawn independently: the group of a case, such as a patient, or the case itself if the dataset
// names no groups. Its value is the mean over its cases, and that of a dataset the mean over its units.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/comparison/results.h"
#include "apps/comparison/statistics/bootstrap.h"

namespace voxgrad::apps {

// The scores of one dataset, for every loss.
struct Scores {
  std::string dataset;
  std::vector<std::string> losses, cases;  // cases: those whose truth has foreground
  Stratum of_cases;                        // [loss][case], the mean over the seeds
  std::vector<std::size_t> unit_of;        // by case
  bool grouped = false;                    // whether units are groups
  Stratum values;                          // [loss][unit], the mean over the seeds
  Stratum seeds;                           // [loss][seed]: mean over the units
  std::int64_t left_out = 0;               // cases whose truth is background alone
  std::int64_t absent = 0;                 // cases and classes, over the seeds, where the truth does not have the class
  std::vector<std::int64_t> alarms;        // of these by loss: where the prediction has it
};

// Returns the scores of every dataset, all with the same losses.
std::vector<Scores> scores_of(const Comparison& comparison);
// Returns the values alone, as the statistics need them.
std::vector<Stratum> strata_of(const std::vector<Scores>& scores);
// Returns the runs of a loss on a dataset.
std::vector<const ComparedRun*> runs_of(const Comparison& comparison, const std::string& dataset,
                                        const std::string& loss);

}  // namespace voxgrad::apps

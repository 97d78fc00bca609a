// From runs to the values that statistics compare. A case counts with its Dice, the mean over the classes that its
// truth has, so that the truth alone decides what counts: a class that is absent is no reward for a loss that leaves it
// empty, and is reported on its own (`alarms`). A loss takes part if it has the seeds and folds of the loss with the
// most runs. A diverged run counts as 0, and as if it had missed every class.
//
// A unit is what was drawn independently: the group of a case, such as a patient, or the case itself if the dataset
// names no groups. Its value is the mean over its cases, and that of a dataset the mean over its units.
#pragma once

#include <cstdint>
#include <functional>
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
  // By loss, over its runs that have not diverged: the cases and classes where the truth does not have the class, and
  // those of them where the prediction has it.
  std::vector<std::int64_t> absent, alarms;
};

// Returns the scores of every dataset, all with the same losses.
std::vector<Scores> scores_of(const Comparison& comparison);
// Returns the values alone, as the statistics need them.
std::vector<Stratum> strata_of(const std::vector<Scores>& scores);
// Returns the runs of a loss on a dataset.
std::vector<const ComparedRun*> runs_of(const Comparison& comparison, const std::string& dataset,
                                        const std::string& loss);

// Returns the Dice of every foreground class of a case that its truth has; NaN for the others, whatever was found.
std::vector<double> class_dices(const Comparison& comparison, const CaseNumbers& one);
// Returns the mean of these, with which the case counts; NaN if its truth is background alone.
double dice_of(const Comparison& comparison, const CaseNumbers& one);
// Calls `see` with every tested case of a loss on a dataset, over all its runs. A run that has diverged comes with the
// cases of another one on its fold. Where the truth has a class, it has the metrics of one that is missed, with
// infinite distances; what it would have had in others is not known (NaN).
void for_cases(const Comparison& comparison, const std::string& dataset, const std::string& loss,
               const std::function<void(const CaseNumbers&)>& see);
// Returns the mean of a number (finite_number_of) over these cases and their classes, where it is defined; NaN if that
// is nowhere.
double mean_number(const Comparison& comparison, const std::string& dataset, const std::string& loss,
                   const std::string& name);

}  // namespace voxgrad::apps

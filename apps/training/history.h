// The epochs of a training, as records, JSON and CSV.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apps/program/json.h"

namespace voxgrad::apps {

struct EpochRecord {
  std::int64_t epoch, step;         // how many are done
  double loss;                      // mean over the steps of the epoch
  double lr;                        // of its last step; NaN if that was skipped
  double val_dice;                  // validation_dice(); NaN if it was not validated
  std::vector<double> val_classes;  // per foreground class
};

Json to_json(const std::vector<EpochRecord>& history);
// Throws Error(data) if a number is outside its range, or the epochs are not in their order.
std::vector<EpochRecord> history_from_json(const Json& json);
// epoch,step,lr,loss,val_dice,val_dice_<class>,..
std::string to_csv(const std::vector<EpochRecord>& history, const std::vector<std::string>& class_names);

// Returns the number of records up to the best one: the one with the highest Dice smoothed over the validations, in
// which each validation counts for 0.3 and those before it for 0.7. A few validation cases choose between nearly equal
// weights by chance, and the single highest Dice is that of a lucky validation. 0: no record has a validation Dice.
std::int64_t best_record(const std::vector<EpochRecord>& history);

// By how much the best validation Dice of the last third of the steps is above that of the steps before; NaN unless
// there are two validations in either part. It says whether a longer training is worth the time: one that has come to
// its end has a rise near 0. The learning rate falls in the last third, which makes most trainings rise a little.
double late_rise(const std::vector<EpochRecord>& history);
// The same in words, for a person; empty for NaN.
std::string outlook(double rise);

}  // namespace voxgrad::apps

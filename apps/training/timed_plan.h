// The plan of a training that fits a time.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "apps/training/budget.h"
#include "apps/training/plan.h"

namespace voxgrad::apps {

// How plan_for_time() makes and measures plans.
struct PlanTrials {
  std::function<Plan(const TrainConfig& config)> make;
  // Takes steps for `seconds`; the rest is as in measure_costs() (training/budget.h).
  std::function<Costs(const Plan&, double seconds, double limit, const Costs* known)> measure;
  std::function<double(const Plan&)> voxel_seconds;  // seconds; as in training/budget.h
  std::function<double()> left;                      // the seconds of the time that are left
};

// Returns the plan of a training that fits `time`, such as "20min", and its costs. If the predictions at its end would
// take too much of it, images are made coarser; if that is time for few steps only, a step has fewer patches, and if
// mirrored images take too much of it, there are none. How often a case will be seen decides the augmentation. What
// `wish` asks for stays as it is. `read` is what the trials read of the cases.
// Throws Error(usage) if not one step fits, or if `time` is none (parse_time() in training/budget.h).
std::pair<Plan, Costs> plan_for_time(const TrainConfig& wish, const std::string& time, const data::DatasetInfo& info,
                                     const CasesRead& read, const PlanTrials& trials);

}  // namespace voxgrad::apps

// What the first batches and the first steps of a training say about it: whether patches show the foreground, whether
// the loss has the right sign and size, whether every layer learns, whether the learning rate holds, and whether one
// batch can be learned by heart.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/doctor/finding.h"
#include "apps/training/plan.h"
#include "data/dataset.h"

namespace voxgrad::apps {

// Makes the plan of a training and tries it. The results are a function of the dataset, the settings and the seed.
// `progress` is told what is done next. Throws the errors of make_plan().
std::vector<Finding> examine_training(const data::Dataset& dataset, const TrainConfig& config, Device device,
                                      const std::function<void(const std::string&)>& progress);

// The checks that need no step. A training does them before its first one; they cost about as much as that one.
std::vector<Finding> examine_first_batches(const data::Dataset& dataset, const Plan& plan, Device device);

// The checks: the name and the question that each of them answers.
std::vector<std::pair<std::string, std::string>> training_checks();

}  // namespace voxgrad::apps

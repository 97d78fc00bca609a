// The rules that fill in what nobody asked for. They stand in one table (rules.cpp), each with the reason that it
// gives.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "apps/training/config.h"
#include "apps/training/geometry.h"
#include "data/dataset.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {

inline constexpr std::int64_t kLeastSteps = 600;  // of a training whose length nobody gave

// One pass over the training cases in batches, but not so few or so many steps that an epoch says nothing.
std::int64_t steps_per_epoch(std::int64_t cases, std::int64_t batch);

// What the rules know of the training cases.
struct TrainingCases {
  const data::DatasetInfo& info;
  std::int64_t count;                         // of the training cases
  std::vector<Shape> shapes;                  // of each case, or of those that were looked at, as the network sees them
  std::vector<std::vector<double>> spacings;  // of the same cases, for each axis
  std::int64_t most_voxels = 0;               // of a patch that follows from the cases; 0: see geometry.h
  std::array<bool, 2> sides{};                // PreparationFacts::sides
};

// Whether a loss has class weights that follow from the shares of the classes in the training cases.
bool weighs_by_frequency(const std::string& loss);

// A line of the plan: a setting with its value, and why it is so.
struct Reason {
  std::string setting, value, why;
};

// The augmentation if nobody asked for one. `times`: how often the training shows each case. `spacing` is that of the
// patch. `sides`: see PreparationFacts.
Reason usual_augment(const TrainConfig& config, double times, const Shape& patch, const std::vector<double>& spacing,
                     const std::array<bool, 2>& sides);

struct Filled {
  Geometry geometry;
  std::vector<Reason> reasons;
};
// Fills in every setting of `config` that has no value yet, in the order of the table. The poolings and kernels of
// `source`, a model that the training begins with, are taken as long as the depth is the same. Throws Error(usage) for
// values that do not fit each other.
Filled fill_in(TrainConfig& config, const TrainingCases& cases, const nn::ModelSpec* source = nullptr);

// The memory that the tensors of one training step take, in bytes: the maps that are saved for the backward pass, and
// those of the finest level that it needs at once. It is an estimate, for a choice before anything is allocated.
double bytes_of_step(const TrainConfig& config, const Geometry& geometry, std::int64_t classes);

}  // namespace voxgrad::apps

// Whether a model removes islands from its labels (nn/inference/clean_up.h). The validation cases decide, by the rule
// of nnU-Net (Isensee et al. 2021): a clean-up is chosen if the mean Dice rises and that of no class falls. All
// foreground together is tried first, and then each class on what that has left.
#pragma once

#include <string>
#include <vector>

#include "apps/program/json.h"
#include "apps/training/evaluation.h"

namespace voxgrad::apps {

struct CleanUpChoice {
  nn::CleanUp chosen;
  double before = losses::kUndefined, after = losses::kUndefined;  // validation_dice() of the cases
  std::vector<double> classes_before, classes_after;               // Dice of each foreground class
  std::vector<CaseResult> results;                                 // of the cases, as they are cleaned up
};

// Segments the cases once. The clean-up that the model has already is left out. `progress` is as in EvaluateOptions.
CleanUpChoice choose_clean_up(const nn::Model& model, const data::Dataset& dataset,
                              const std::vector<std::int64_t>& cases, const nn::Progress& progress = {});

// {foreground, classes: ["liver"], val_dice: {before, after, classes: {"1": {before, after}}}}
Json to_json(const CleanUpChoice& choice, const std::vector<std::string>& class_names);
// Says what a model cleans up: "the largest component of all foreground, then of liver", or "none".
std::string clean_up_text(const nn::CleanUp& how, const std::vector<std::string>& class_names);
// The same with the Dice before and after.
std::string choice_text(const CleanUpChoice& choice, const std::vector<std::string>& class_names);

}  // namespace voxgrad::apps

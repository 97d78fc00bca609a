// How often a training is validated, and on how many cases. On a large validation set, or with cases far larger than a
// patch, validations could take longer than the training itself. So all of them together take about a tenth of it:
//  1. Validations are left out, as long as ten are left.
//  2. Then cases are left out; eight or more stay, evenly spread over all of them.
//  3. Then further validations are left out. The last one always takes place, whatever it takes.
// A training of less than 600 steps counts as one of 600, so that a short trial has a curve, too.
// Every validation of a training looks at the same cases, so the choice of the best weights compares like with like.
// The numbers depend on no clock, unless the steps themselves were planned with one (training/budget.h). They are
// settings of the run, so a resumed run validates as before.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/training/plan.h"

namespace voxgrad::apps {

inline constexpr double kValidationShare = 0.1;  // of the training, at most
// The page of a run chooses its pictures from so many validation cases, or from those of the choice of the clean-up.
inline constexpr std::int64_t kMostPictured = 24;

// Returns the cases of which the page of a run shows some: validation, or else test, or else training cases.
const std::vector<std::int64_t>& pictured_cases(const Plan& plan);

// Returns at most `count` of the numbers 0 .. size - 1, evenly spread.
std::vector<std::int64_t> evenly(std::int64_t count, std::int64_t size);

// Sets Plan::validated to so many of the validation cases, evenly spread; 0 means all of them.
void set_validated(Plan& plan, std::int64_t count);

// Follows the rules above, from the present Plan::validated and validate_every on. `allowed` is how often all present
// cases may be segmented.
void bound_validations(Plan& plan, double allowed);

// Returns the voxels of all windows in which these cases are segmented once; a window that hangs over the end of a case
// counts with what lies in the case. Cases are not read, so a crop is not taken into account.
double window_voxels(const nn::ModelSpec& model, const data::DatasetInfo& info, const std::vector<std::int64_t>& cases);

// Returns in how many training steps the present cases could be segmented, by the voxels of their windows. A step costs
// three times as much for a voxel, because of its backward pass.
double validation_in_steps(const Plan& plan, const data::DatasetInfo& info);

// Returns the number of validations of the whole training, 1 or more.
std::int64_t validations(const Plan& plan);
// Returns after more than how many validations without a rise the rate of --schedule plateau falls: a fifth of all, at
// most ten.
std::int64_t plateau_patience(const Plan& plan);
// Throws Error(usage) if the training goes by more validations than it has: by those of --patience, or of a rate that
// falls when the Dice does not rise.
void require_validations(const Plan& plan);
// Returns the share of the validation cases that are looked at; the smallest share that the rules allow.
double validated_share(const Plan& plan);
double least_validated_share(const Plan& plan);

}  // namespace voxgrad::apps

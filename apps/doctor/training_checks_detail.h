// What the checks of a training share. Internal to this folder and its tests.
#pragma once

#include <array>
#include <optional>

#include "apps/doctor/training_checks.h"
#include "apps/training/collapse.h"

namespace voxgrad::apps {

// One patch of the first batches.
struct PatchFacts {
  std::string id;                            // of its case
  std::array<std::int64_t, 256> voxels{};    // per label
  std::int64_t ignored = 0, foreground = 0;  // voxels
  std::vector<double> low = {}, high = {};   // per channel, after normalisation and augmentation
};

// What a loss, or a term of it, gives on one of the first batches for outputs that are known beforehand.
struct LossValues {
  std::string term;
  double uniform;       // every class equally probable
  double right, wrong;  // sure of the true class, sure of another one
  double gradient;      // L2 norm of the derivative by the logits, at the uniform output
  double range() const { return wrong - right; }
};

// False for a loss all of whose terms are no training objective by themselves.
bool has_objective(const std::string& loss);

// A training that is tried out.
class Trial {
 public:
  Trial(const data::Dataset& dataset, const Plan& plan, Device device);

  const data::Dataset& dataset;
  const Plan plan;  // without maps of whole cases: a loss makes its own from the patch, which takes less time here
  const Device device;
  std::unique_ptr<nn::UNet> net;                               // as it is before the first step
  std::vector<PatchFacts> patches;                             // of the first batches
  std::vector<LossValues> known;                               // the terms that were computed already
  const TrainingBatch& batch() { return feed_.batch(step_); }  // the one with most foreground
  LossValues values_of(const std::string& term);
  // The plan with so few patches in a batch that steps are fast.
  Plan small_plan() const;

 private:
  std::int64_t describe(const TrainingBatch& batch);  // returns the number of voxels of the foreground
  Feed feed_;
  std::int64_t step_ = 0;
};

// training_checks_batch.cpp
void check_foreground(Trial& trial, std::vector<Finding>& findings);
void check_intensities(Trial& trial, std::vector<Finding>& findings);
void check_batch_labels(Trial& trial, std::vector<Finding>& findings);
// training_checks_network.cpp
void check_loss_value(Trial& trial, std::vector<Finding>& findings);
void check_terms(Trial& trial, std::vector<Finding>& findings);
void check_gradients(Trial& trial, std::vector<Finding>& findings);
void check_dead_channels(Trial& trial, std::vector<Finding>& findings);
// training_checks_steps.cpp
void check_rate(Trial& trial, std::vector<Finding>& findings);
void check_memorising(Trial& trial, std::vector<Finding>& findings);

// How well one batch was learned by heart. It ends as soon as it is done().
struct Memorised {
  std::int64_t steps = 0;
  double before = 0, after = 0;  // the loss
  double fall = 0;               // share of the way from `before` to the loss of a right output
  double dice = 0;               // mean over the foreground classes of the batch; NaN if there are none
  bool done() const;
};
Memorised memorise(Trial& trial);

}  // namespace voxgrad::apps

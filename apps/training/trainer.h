// A training, step by step. Everything that changes from step to step is in state(): a trainer that loads it goes on
// with the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "apps/training/collapse.h"
#include "apps/training/feed.h"
#include "apps/training/plan.h"
#include "apps/training/recorded_step.h"
#include "engine/io/safetensors.h"
#include "engine/tensor.h"
#include "nn/optimizer.h"

namespace voxgrad::apps {

struct StepReport {
  std::int64_t step;  // number of this step, 0 ..
  double loss;
  double gradient_norm;  // before clipping
  double lr;
};

// A network with its first weights, which are a function of the seed of the plan, or those of Plan::start.
nn::Model fresh_model(const Plan& plan, Device device);

class Trainer {
 public:
  Trainer(const data::Dataset& dataset, const Plan& plan, Device device);

  // Changes the weights once, by the gradient of one batch. Throws Error(diverged) if the loss or the gradient is not
  // finite, with the layer and the cause (training/collapse.h); the weights and the step number are then unchanged.
  StepReport step();
  // Leaves the next batch out; the weights do not change.
  void skip() { ++step_; }
  std::int64_t steps_done() const { return step_; }

  // Throws Error(diverged) if the weights, the running statistics or the output of evaluated() are not finite, for the
  // batch of the last step that was not left out. It is called before they are saved, because a step can break the
  // weights after its loss was computed.
  void require_finite();
  // Error(diverged) about that step, with its cause.
  [[nodiscard]] Error failed(const std::string& what);

  // The model to validate and to save. If there is a moving average of the weights, the model has that average until
  // end_validation() is called.
  const nn::Model& evaluated();
  // Goes back to the weights in training. The metric is for schedules that depend on it (NaN: none was measured).
  void end_validation(double metric);

  // The state holds the weights (PyTorch names and order), optim.*, ema.*, and the counters in `metadata`.
  TensorFile state() const;
  // Of the steps, `skipped` were left out. Throws Error(data) or Error(model) if a counter does not agree.
  void load_state(const TensorFile& file, std::int64_t skipped);
  // Returns a copy of the weights of evaluated().
  std::vector<NamedTensor> weights();
  // From now on, learning rates are multiplied by this as well.
  void scale_rate(double factor) { rate_scale_ *= factor; }
  const data::Loader& loader() const { return feed_.loader(); }
  std::int64_t parameter_count() const { return model_.net->parameter_count(); }
  // How often forward and backward pass were replayed as one recording, and why not, if they were not.
  const Replay& replay() const { return recorded_.replay(); }
  // Gives back the memory of that recording, for other work on the same card. The next step records anew.
  void release_recording();

 private:
  std::string constants_of(const TrainingBatch& batch) const;
  losses::Context context() const;
  Error failed_at(std::int64_t step, const std::string& what);
  double clip_gradients();

  Plan plan_;
  nn::Model model_;
  nn::UNet& net_;
  Feed feed_;
  losses::Loss loss_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  nn::Schedule schedule_;
  std::optional<nn::Ema> ema_;
  RecordedStep recorded_;
  Tensor progress_;                 // share of the steps that are done, in one place, because a recording reads there
  double first_norm_;               // of the weights before the first step
  std::vector<Tensor> statistics_;  // the buffers before the last step, if it may be left out
  bool swapped_ = false;            // the model has the moving average of its weights
  std::int64_t step_ = 0, updated_ = 0;  // the next step, and the last one that changed the weights
  double rate_scale_ = 1;
};

}  // namespace voxgrad::apps

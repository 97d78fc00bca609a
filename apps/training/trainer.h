// A training, step by step. Everything that changes is in state(): a trainer that takes it goes on with the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "apps/training/plan.h"
#include "engine/io/safetensors.h"
#include "engine/replay.h"
#include "engine/tensor.h"
#include "nn/optimizer.h"

namespace voxgrad::apps {

struct StepReport {
  std::int64_t step;  // number of this step, 0 ..
  double loss;
  double gradient_norm;  // before clipping
  double lr;
};

class Trainer {
 public:
  Trainer(const data::Dataset& dataset, const Plan& plan, Device device);

  // One batch, one change of the weights. Error(diverged) if the loss or the gradient is not finite, naming which; the
  // weights and the step number are then unchanged.
  StepReport step();
  // Leaves the next batch out: no change of the weights.
  void skip() { ++step_; }
  std::int64_t steps_done() const { return step_; }

  // The model to validate and to save: with the moving average of the weights if there is one, until end_validation().
  const nn::Model& evaluated();
  // Back to the weights in training; the metric is for schedules that listen (NaN: none was measured).
  void end_validation(double metric);

  // Weights (PyTorch names and order), optim.*, ema.*, and the counters in `metadata`.
  TensorFile state() const;
  void load_state(const TensorFile& file);
  // Of evaluated(), a copy.
  std::vector<NamedTensor> weights();
  // From now on, learning rates are multiplied by this as well.
  void scale_rate(double factor) { rate_scale_ *= factor; }
  std::int64_t parameter_count() const { return model_.net->parameter_count(); }
  // How often forward and backward were one piece, and why not.
  const Replay& replay() const { return replay_; }

 private:
  // What a loss compares the logits of one resolution with, on the device of the network.
  struct Truth {
    Tensor labels;
    std::map<std::string, Tensor> fields;
    std::vector<double> spacing;
  };
  void take(std::int64_t step);
  void take_ahead();
  std::string frozen() const;
  double epoch() const { return static_cast<double>(step_ / plan_.steps_per_epoch); }
  Tensor loss_of(const std::vector<Tensor>& logits) const;
  void check_finite(double loss);
  double checked_norm();

  Plan plan_;
  Device device_;
  nn::Model model_;
  nn::UNet& net_;
  data::Loader loader_;
  losses::Loss loss_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  nn::Schedule schedule_;
  std::optional<nn::Ema> ema_;
  // Of the step that runs. They stay where they are, and so do the parameters and gradients: see engine/replay.h.
  Tensor images_, value_;
  std::vector<Truth> truths_;  // finest first
  std::int64_t taken_ = -1;    // the step whose batch this is
  Replay replay_;
  bool swapped_ = false;
  std::int64_t step_ = 0;
  double rate_scale_ = 1;
};

// A map at a coarser resolution: the first voxel of every window of `stride` voxels. Labels u8 [N, *S], or a field f32
// [N, *S, K] that belongs to them.
Tensor coarser(const Tensor& map, const Extents& stride);

}  // namespace voxgrad::apps

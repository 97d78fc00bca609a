// A training, step by step. Everything that changes is in state(): a trainer that takes it goes on with the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "apps/training/plan.h"
#include "data/checkpoint.h"
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
  Model& evaluated();
  // Back to the weights in training; the metric is for schedules that listen (NaN: none was measured).
  void end_validation(double metric);

  // Weights (PyTorch names and order), optim.*, ema.*, and the counters in `metadata`.
  data::TensorFile state() const;
  void load_state(const data::TensorFile& file);
  // Of evaluated(), a copy.
  std::vector<NamedTensor> weights();
  // From now on, learning rates are multiplied by this as well.
  void scale_rate(double factor) { rate_scale_ *= factor; }
  std::int64_t parameter_count() const { return model_.net->parameter_count(); }

 private:
  Tensor loss_of(const std::vector<Tensor>& logits, const data::Batch& batch) const;
  void check_finite(const Tensor& value) const;
  double checked_norm();

  Plan plan_;
  Device device_;
  Model model_;
  nn::UNet& net_;
  data::Loader loader_;
  losses::Loss loss_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  nn::Schedule schedule_;
  std::optional<nn::Ema> ema_;
  bool swapped_ = false;
  std::int64_t step_ = 0;
  double rate_scale_ = 1;
};

// A map at a coarser resolution: the first voxel of every window of `stride` voxels. Labels u8 [N, *S], or a field f32
// [N, *S, K] that belongs to them.
Tensor coarser(const Tensor& map, const Extents& stride);

}  // namespace voxgrad::apps

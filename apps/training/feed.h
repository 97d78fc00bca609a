// The feed brings the batches of a training to the device of the network. It looks one step ahead where the device
// computes by itself, and it writes a batch over the one before, so that a recorded step finds it (engine/replay.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/training/plan.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

// What a loss compares the logits of one resolution with.
struct Truth {
  Tensor labels;                         // u8 [N, *S]
  Tensor probabilities;                  // f32 [N, *S, K] of the classes, the truth instead of the labels if defined
  std::map<std::string, Tensor> fields;  // f32 [N, *S, K]; the maps that the loss asks for, by their keys
  std::vector<double> spacing;           // of the logits' grid, per sample and spatial axis
};

struct TrainingBatch {
  Tensor images;                 // f32 [N, *S, C]
  std::vector<std::string> ids;  // the case of each patch
  std::vector<Truth> truths;     // one per resolution, the finest first; one alone without deep supervision
};

class Feed {
 public:
  Feed(const data::Dataset& dataset, const Plan& plan, Device device);
  // The batch of a step, a pure function of the seed and the step. It is valid until the next call of this class.
  const TrainingBatch& batch(std::int64_t step);
  // Fetches the batch of a step while a device with a queue still computes: the copies arrive behind the work that
  // reads the batch before. An error is not thrown here but by batch(step), which meets it again.
  void look_ahead(std::int64_t step);
  const data::Loader& loader() const { return loader_; }

 private:
  void fetch(std::int64_t step);
  void place(Tensor& there, const Tensor& host) const;
  Device device_;
  data::Loader loader_;
  std::vector<Extents> strides_;  // from one resolution to the next coarser one that the loss sees
  std::int64_t classes_;
  int ignore_;
  std::int64_t steps_;         // of the whole training
  std::int64_t fetched_ = -1;  // the step whose batch this is
  TrainingBatch batch_;
};

// Labels u8 [N, *S] at a coarser resolution: the voxel in the middle of every window of `stride` voxels, or behind it.
Tensor coarser(const Tensor& labels, const Extents& stride);
// Probabilities f32 [N, *S, K] at a coarser resolution: the mean of every window; it is ignored, which is 0, if more
// than half of its voxels are.
Tensor coarser_probabilities(const Tensor& probabilities, const Extents& stride);

}  // namespace voxgrad::apps

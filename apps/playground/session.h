// One network of the page: a small U-Net that learns a task under a loss. Two sessions with the same task and seed
// begin with the same weights and see the same pictures, so that they differ by their losses alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/playground/tasks.h"
#include "losses/core/loss.h"
#include "nn/optimizer.h"
#include "nn/unet.h"

namespace voxgrad::playground {

inline constexpr int kBatch = 4;      // pictures of a step
inline constexpr int kPictures = 16;  // pictures that are never learnt from, on which the networks are compared
// Losses with a schedule take this number of steps for the whole training, because a training here has no end.
inline constexpr int kSchedule = 500;

// A JSON object with the constants above, the names of the tasks, and all losses with their texts and parameters.
std::string facts();

class Session {
 public:
  // `loss` is the text of a loss. Error(usage) if it is none, or if the task is wrong.
  Session(const Task& task, const std::string& loss, std::uint64_t seed);

  // One step of AdamW with the next batch. Returns the loss before the step.
  double step(double rate);
  std::int64_t steps() const { return optimizer_->steps(); }

  const Tensor& pictures() const { return pictures_; }  // f32 [kPictures, kSide, kSide, 1]
  const Tensor& truth() const { return truth_; }        // u8 [kPictures, kSide, kSide]
  Tensor predict();                                     // f32 [kPictures, kSide, kSide, 1], probabilities

  // The loss of one picture alone, with its derivative by the logit of every pixel.
  struct Look {
    double loss;
    Tensor probability, gradient;  // f32 [1, kSide, kSide, 1]
  };
  Look look(int picture);

 private:
  void draw(const Random& stream, Tensor& images, Tensor& labels) const;

  Task task_;
  Random random_;
  losses::Loss loss_;
  losses::Context context_;
  nn::UNet net_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  Tensor pictures_, truth_;
};

}  // namespace voxgrad::playground

// Why the loss, the gradient or the output of a training is not finite. The answer takes a second forward pass, one
// layer after the other, so it is looked for only after the failure.
#pragma once

#include <string>
#include <vector>

#include "apps/training/feed.h"
#include "apps/training/plan.h"
#include "engine/error.h"

namespace voxgrad::apps {

// Returns the mean of the losses of all resolutions; each has half the weight of the next finer one. The logits are
// passed by value: only the graph keeps them then, and the backward pass frees them early.
Tensor batch_loss(const losses::Loss& loss, std::vector<Tensor> logits, const std::vector<Truth>& truths,
                  losses::Context context);

// The terms of the text of a loss, each with its weight: "0.5*dice+ce" -> "0.5*dice", "ce".
std::vector<std::string> terms_of(const std::string& loss);

// The step that failed.
struct FailedStep {
  const Plan& plan;
  nn::UNet& net;
  const TrainingBatch& batch;
  std::int64_t number;
  double first_norm;        // of all weights, before the first step
  double lr;                // of the step
  losses::Context context;  // of the loss
};

// Returns an Error(diverged) that begins with `what` and goes on with the cause: an input, the weights that have grown,
// the first layer whose output is not finite, a term of the loss, or the first parameter of the backward pass. The hint
// has what to try. Batch norm keeps its running statistics.
Error explained(const std::string& what, const FailedStep& step);

// A value that is not finite, in words: "NaN", "infinite".
std::string word_of(double value);
// The L2 norm of all weights.
double weight_norm(nn::UNet& net);
// The name of the first weight or running statistic that is NaN or infinite; empty if there is none.
std::string broken_weight(const nn::UNet& net);

}  // namespace voxgrad::apps

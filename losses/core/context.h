// What comes with the data and the run, and not with the text of a loss.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

struct Context {
  std::vector<double> spacing;  // of a voxel, per spatial axis, or that of each sample after the other; empty: 1
  // Label that is left out of everything; -1: none. The option `ignore` of a loss overrules it.
  int ignore = -1;
  // Share of each class in the training set, for weights=inverse|sqrt|median; empty: unknown.
  std::vector<double> class_fractions;
  // For losses with a schedule: the share of the training that is done, a scalar f64 on the device of the logits. It is
  // a tensor, so that a recorded step (engine/replay.h) reads its new value. Undefined: 0.
  Tensor progress;
  // Maps that were made from the labels of the whole case and cropped with the patch: key -> [N, *S, K] as make_field
  // returns it (losses/core/fields.h). A loss makes a missing map from the labels that it gets.
  std::map<std::string, Tensor> fields;
};

}  // namespace voxgrad::losses

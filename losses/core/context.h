// What comes with the data and the run, and not with the text of a loss.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

struct Context {
  std::vector<double> spacing;  // per spatial axis, the unit of all distances; empty: 1
  // Label that is left out of everything; -1: none. The option `ignore` of a loss overrules it.
  int ignore = -1;
  // Share of each class in the training set, for weights=inverse|sqrt|median; empty: unknown.
  std::vector<double> class_fractions;
  double epoch = 0;  // for losses with a schedule
  // Maps that were made from the labels of the whole case and cropped with the patch: key -> [N, *S, K] as make_field
  // returns it (losses/core/fields.h). A loss makes a missing map from the labels that it gets.
  std::map<std::string, Tensor> fields;
};

}  // namespace voxgrad::losses

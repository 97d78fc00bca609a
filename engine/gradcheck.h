// Proof of a derivative: compares backward() with central differences in f64, element by element.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad {

struct GradcheckOptions {
  double step = 1e-5;       // relative to max(1, |x|)
  double tolerance = 1e-6;  // of the error relative to the largest gradient of the input, or to 1e-3 if that is larger
  std::int64_t most = 200;  // elements compared per input: of more, a fixed random selection
  std::uint64_t seed = 1;
};

struct GradcheckResult {
  double worst = 0;          // largest relative error met away from kinks
  std::int64_t checked = 0;  // elements compared
  std::int64_t kinks = 0;    // elements where left and right slope differ: no derivative to compare with
  std::string where;         // input and element of the worst error, with both numbers
  bool ok = true;            // worst <= tolerance and something was compared
};

// f maps the inputs, f64 tensors that are made leaves here, to a tensor of any shape. A sum with fixed random weights
// makes one number of that, so every element of the output counts.
[[nodiscard]] GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                                        std::vector<Tensor> inputs, const GradcheckOptions& options = {});

}  // namespace voxgrad

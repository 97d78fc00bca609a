// Checks a derivative: compares backward() with central differences in f64, element by element.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad {

struct GradcheckOptions {
  double step = 1e-5;       // relative to max(1, |x|)
  double tolerance = 1e-6;  // of the error divided by the largest gradient of the input, or by 1e-3 if that is larger
  std::int64_t most = 200;  // elements compared per input; from more of them a fixed random selection is compared
  std::uint64_t seed = 1;
};

struct GradcheckResult {
  double worst = 0;          // the largest relative error, kinks aside
  std::int64_t checked = 0;  // number of elements that were compared
  std::int64_t kinks = 0;    // number of elements without a derivative: their left and right slopes differ
  std::string where;         // the input and the element of the worst error, with both numbers
  bool ok = true;            // worst <= tolerance, and at least one element was compared
};

// f maps the inputs to a tensor of any shape. The inputs are f64, and gradcheck() makes leaves of them. A sum with
// fixed random weights turns the output into one number, so every element of it counts.
[[nodiscard]] GradcheckResult gradcheck(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                                        std::vector<Tensor> inputs, const GradcheckOptions& options = {});

}  // namespace voxgrad

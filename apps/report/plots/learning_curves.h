// Validation Dice over the steps, every loss a thin line, three of them named.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/results.h"

namespace voxgrad::apps {

// The plot of one dataset, with means over its runs. Empty if no run was validated before its end.
std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named);

}  // namespace voxgrad::apps

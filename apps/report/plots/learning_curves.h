// Draws the validation Dice over the steps. Every loss is a thin line, and some of them are named.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/results.h"

namespace voxgrad::apps {

// Returns the plot of one dataset, with means over its runs; its scale begins at `low`. It is empty if no run was
// validated before its end.
std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named, double low = 0);

}  // namespace voxgrad::apps

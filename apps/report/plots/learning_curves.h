// Draws the validation Dice over the steps: as a race of a few named losses before thin lines of the others, or with
// the name of every loss at the end of its line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/comparison/results.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {

// Returns the plot of one dataset, with means over its runs; its scale begins at `low`. It is empty if no run was
// validated before its end.
std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named, double low = 0);

// Returns the plot of one dataset with a name for every loss. Its scale shows the second half of the training, in which
// losses differ; values below it leave the plot at the bottom. Nothing if no run was validated before its end.
std::optional<Svg> named_curves_plot(const Comparison& comparison, const std::string& dataset,
                                     const std::vector<std::string>& losses, double width);

}  // namespace voxgrad::apps

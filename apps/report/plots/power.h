// Draws which difference of two losses a comparison could find, by the number of test cases and of seeds: how large the
// next one has to be.
#pragma once

#include "apps/comparison/forecast.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {

// Returns the smallest difference of mean Dice that is found in four of five comparisons (detectable_difference), over
// the number of units, with a line for each number of seeds. A dot is the comparison with `units` and `seeds`. Both
// scales are logarithmic.
Svg power_plot(const std::string& name, const Spread& spread, std::int64_t units, std::int64_t seeds,
               std::int64_t losses, double width = kPictureWidth);

}  // namespace voxgrad::apps

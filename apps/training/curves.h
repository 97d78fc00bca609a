// Learning curves as one SVG picture: training loss and validation Dice over the epochs.
#pragma once

#include <string>
#include <vector>

#include "apps/training/history.h"

namespace voxgrad::apps {

std::string curves_svg(const std::vector<EpochRecord>& history);

}  // namespace voxgrad::apps

// Learning curves as one SVG picture: training loss and validation Dice over the epochs.
#pragma once

#include <string>
#include <vector>

#include "apps/training/history.h"

namespace voxgrad::apps {

// The picture is a file of its own, with its colours. Values that are not finite are left out.
std::string curves_svg(const std::vector<EpochRecord>& history);

}  // namespace voxgrad::apps

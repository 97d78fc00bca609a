// A picture of a dataset: some of its cases with their labels.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/report/picture.h"
#include "data/dataset.h"

namespace voxgrad::apps {

// Draws at most nine of the cases, evenly spread over them, with their names above and the classes below; of a volume
// the slice with most foreground. Images without labels are drawn alone, volumes by their middle slice.
Picture draw_preview(const data::Dataset& dataset, const std::vector<std::int64_t>& cases);

}  // namespace voxgrad::apps

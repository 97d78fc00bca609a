// Pictures of a dataset: some of its cases with their labels, and what an augmentation makes of them.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/report/picture.h"
#include "apps/training/plan.h"
#include "data/dataset.h"

namespace voxgrad::apps {

// Draws at most nine of the cases, evenly spread over them, with their names above and the classes below; of a volume
// the slice with most foreground. Images without labels are drawn alone, volumes by their middle slice.
Picture draw_preview(const data::Dataset& dataset, const std::vector<std::int64_t>& cases);

// Draws samples of at most four training cases, a row for each, as the loader of the plan makes them: first one without
// augmentation, then seven with it. All of a row have the same window, labels are outlines, and of volumes the middle
// slice is shown.
Picture draw_augmented(const data::Dataset& dataset, const Plan& plan);

}  // namespace voxgrad::apps

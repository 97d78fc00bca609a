// Makes images coarser where the predictions after the last step would leave little time for the training. A network
// sees a volume of ten million voxels through some two hundred overlapping windows; at twice the spacing these are
// thirty, and each shows eight times as much. Labels and probabilities come back on the grid of the source.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "apps/training/plan.h"

namespace voxgrad::apps {

// The share of --time that the predictions after the last step may take before images are made coarser.
inline constexpr double kPredictionShare = 0.25;

// The voxels of all windows that are segmented after the steps or as the one validation that always takes place: the
// test, the choice of the clean-up, the cases of the page. Each counts once, without mirrored views. If images are
// cropped, `kept` is the share that stays, else 1.
double voxels_at_end(const Plan& plan, const data::DatasetInfo& info, double kept);

// Makes the plan coarser until voxels_at_end() is `allowed` at most, or until a window shows a whole case or slice; an
// axis with thick slices waits until the others are as coarse. `make` makes the plan with such a spacing; if it throws
// Error(data) or Error(usage), because a case cannot have that spacing, the plan before stays. Returns why it was done,
// if it was; `taken` is what the predictions would take of the time otherwise, in words.
std::optional<Reason> coarsen(Plan& plan, const data::DatasetInfo& info, double kept, double allowed,
                              const std::string& taken, const std::function<Plan(const std::string& spacing)>& make);

}  // namespace voxgrad::apps

// Draws mean ranks, and which losses are not told apart (after Demsar, JMLR 2006). The usual plot is turned by 90
// degrees so that it fits a phone: each loss has a row. A bar on the right joins losses of which no two differ. Losses
// whose trainings were too short to test them are left out.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/comparison/analysis.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {

Svg critical_difference_plot(const Analysis& analysis, double width = kPictureWidth);
// Returns first and last index of the largest groups of neighbours of which `same(i, j)` holds for all pairs. Groups of
// one are left out.
std::vector<std::pair<std::size_t, std::size_t>> groups_of(std::size_t count,
                                                           const std::function<bool(std::size_t, std::size_t)>& same);

}  // namespace voxgrad::apps

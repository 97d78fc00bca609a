// Draws mean ranks, and which losses Nemenyi's test does not tell apart (Demsar, JMLR 2006). The usual plot is turned
// by 90 degrees so that it fits a phone: each loss has a row. A bar on the right joins losses whose mean ranks lie
// within one critical difference.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/comparison/analysis.h"

namespace voxgrad::apps {

std::string critical_difference_plot(const Analysis& analysis);
// Returns first and last index of the largest groups of sorted ranks that span no more than `difference`. Groups of one
// are left out.
std::vector<std::pair<std::size_t, std::size_t>> groups_within(const std::vector<double>& sorted, double difference);

}  // namespace voxgrad::apps

// Mean ranks with the losses that Nemenyi's test does not tell apart (Demsar, JMLR 2006), turned by 90 degrees so that
// it fits a phone: one row per loss, and a bar on the right beside every group within one critical difference.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/comparison/analysis.h"

namespace voxgrad::apps {

std::string critical_difference_plot(const Analysis& analysis);
// First and last index of the largest groups of sorted ranks that span no more than `difference`; single ones left out.
std::vector<std::pair<std::size_t, std::size_t>> groups_within(const std::vector<double>& sorted, double difference);

}  // namespace voxgrad::apps

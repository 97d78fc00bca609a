// Splits and folds: sets of cases that have no group in common.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

// Returns the cases of a split; "all" is every case. If the file has no splits, it gets train, val and test with 70, 15
// and 15 % of the cases, always the same ones, without splitting a group. From three groups (or cases, if there are no
// groups) on, none of the three is empty. Throws Error(usage) for an unknown name.
std::vector<std::int64_t> split_of(const DatasetInfo& info, const std::string& name);

struct Fold {
  std::vector<std::int64_t> train, val;
};
// Returns fold number `fold` of `folds`, made of the given cases by a seeded shuffle of the groups (or of the cases, if
// there are no groups). Throws Error(usage) if there are fewer groups than folds.
Fold make_fold(const DatasetInfo& info, const std::vector<std::int64_t>& cases, int folds, int fold,
               std::uint64_t seed);

}  // namespace voxgrad::data

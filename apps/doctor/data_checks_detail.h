// The functions of the table in data_checks.cpp, and what they share. Internal to this folder.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/doctor/data_checks.h"

namespace voxgrad::apps {

using DataFindings = std::vector<Finding>;

inline Finding finding_of(bool failure, std::string what, std::string where, std::string why, std::string remedy) {
  Finding finding;
  finding.failure = failure;
  finding.what = std::move(what);
  finding.where = std::move(where);
  finding.why = std::move(why);
  finding.remedy = std::move(remedy);
  return finding;
}

// `case 17 ("img_017")`, or `3 of 96 cases, the first is case 17 ("img_017")`.
std::string cases_text(const Facts& facts, const std::vector<std::int64_t>& indices);
// The indices of the cases for which f(case) is true.
template <class F>
std::vector<std::int64_t> cases_with(const Facts& facts, F&& f) {
  std::vector<std::int64_t> found;
  for (const CaseFacts& one : facts.cases)
    if (f(one)) found.push_back(one.index);
  return found;
}

// Whether the arrays of images and labels are in each other's place.
bool looks_exchanged(const Facts& facts);
// Whether no case has any foreground.
bool has_no_foreground(const Facts& facts);
// Whether one mask was stored for images that differ.
bool has_repeated_masks(const Facts& facts);
// The spacing to which a training resamples the cases, "none" if it does not (choose_spacing).
std::string spacing_of_training(const Facts& facts);

// data_checks_labels.cpp
DataFindings check_label_values(const Facts& facts);
DataFindings check_exchanged(const Facts& facts);
DataFindings check_unused_classes(const Facts& facts);
DataFindings check_empty_masks(const Facts& facts);
DataFindings check_inverted_masks(const Facts& facts);
DataFindings check_repeated_masks(const Facts& facts);
// data_checks_places.cpp
DataFindings check_displaced_masks(const Facts& facts);
DataFindings check_mixed_pairs(const Facts& facts);
// data_checks_images.cpp
DataFindings check_constant_images(const Facts& facts);
DataFindings check_few_values(const Facts& facts);
DataFindings check_outliers(const Facts& facts);
DataFindings check_channels(const Facts& facts);
DataFindings check_spacing_unit(const Facts& facts);
DataFindings check_mixed_spacing(const Facts& facts);
DataFindings check_orientations(const Facts& facts);
// data_checks_splits.cpp
DataFindings check_splits(const Facts& facts);
DataFindings check_training_classes(const Facts& facts);
DataFindings check_leakage(const Facts& facts);
DataFindings check_contradictions(const Facts& facts);
// data_checks_plan.cpp
DataFindings check_imbalance(const Facts& facts);
DataFindings check_tiny_objects(const Facts& facts);
DataFindings check_patches(const Facts& facts);

}  // namespace voxgrad::apps

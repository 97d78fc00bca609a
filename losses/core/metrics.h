// Evaluation metrics of label masks: overlap and size. Counted per class and case (one against the rest), averaged
// over cases afterwards (macro). Definitions as in Maier-Hein et al., "Metrics reloaded", Nature Methods 2024, without
// its exceptions for empty masks: a ratio 0/0 is NaN, "undefined", here and everywhere. So with both masks empty Dice
// is NaN; with one of them empty it is 0. A mean leaves NaN out and says how many values it stands on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

// Voxels of one class in one case: S is the prediction, G the truth.
struct Overlap {
  std::int64_t tp = 0;  // in S and G
  std::int64_t fp = 0;  // in S only
  std::int64_t fn = 0;  // in G only
  std::int64_t tn = 0;  // in neither
};

// Counts of every class 0 .. classes - 1. Both u8 of one shape, on the CPU; voxels whose truth is `ignore` are left
// out. Error(data) for a label that is neither < classes nor ignored.
std::vector<Overlap> count_overlap(const Tensor& prediction, const Tensor& truth, std::int64_t classes,
                                   int ignore = -1);

struct OverlapMetric {
  const char* name;     // "dice"
  const char* formula;  // "2 tp / (2 tp + fp + fn)"
  double (*value)(const Overlap&);
};
// dice, jaccard, sensitivity, precision, specificity, volume_similarity, relative_volume_difference,
// region_proportion_error, mcc; dice is the first.
const std::vector<OverlapMetric>& overlap_metrics();
double dice(const Overlap& counts);

// Mean and sample standard deviation (n - 1; NaN for n < 2) of the values that are not NaN; mean NaN if there is none.
struct Summary {
  double mean, deviation;
  std::int64_t count;  // values that are not NaN
};
Summary summarise(const std::vector<double>& values);

}  // namespace voxgrad::losses

// Evaluation metrics of one class in one case (one against the rest): the table that everything reads which computes,
// prints, stores or explains a metric. Definitions as in Maier-Hein et al., "Metrics reloaded", Nature Methods 2024,
// without its exceptions for empty masks, which here are the same for all:
//   both masks empty   NaN, "undefined", as every ratio 0/0
//   one of them empty  Dice and its relatives 0, distances infinite, NSD 0
// losses/metrics/aggregate.h says how such values enter a mean over cases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "losses/metrics/aggregate.h"
#include "losses/metrics/calibration.h"
#include "losses/metrics/surface.h"

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

// All that a metric may ask about one class in one case.
struct Evidence {
  Overlap counts;
  SurfaceDistances surfaces;
  double tau = 0;     // mm, tolerance of nsd
  double volume = 0;  // sum of the probabilities
};

// What has to be at hand for a metric; each includes those before it.
enum class Needs { counts, surfaces, probabilities };

struct Metric {
  const char* name;     // "hd95", in files
  const char* title;    // "HD95", above a column
  const char* formula;  // "max of the 95th percentiles of d(S -> G) and d(G -> S)"
  Needs needs;
  double perfect;  // value of a perfect segmentation: 1 if larger is better, 0 if values near 0 are
  double (*value)(const Evidence&);
};
// In the order of their needs; dice is the first.
const std::vector<Metric>& metrics();
// Error(usage) with a did-you-mean.
std::size_t metric_index(const std::string& name);

// One class in one case.
struct ClassScores {
  Overlap counts;
  std::vector<double> values;  // of metrics(), as far as they were asked for
  // NaN if it was not asked for.
  double operator[](std::size_t metric) const;
  bool both_empty() const { return counts.tp + counts.fp + counts.fn == 0; }
};

struct Scoring {
  std::int64_t classes = 2;
  int ignore = -1;
  std::vector<double> spacing = {};                 // mm per axis; empty: 1
  double tau = 0;                                   // mm; 0: the largest spacing
  Needs needs = Needs::surfaces;                    // up to which metrics are computed
  const ProbabilityTally* probabilities = nullptr;  // needed for Needs::probabilities
  double tolerance() const;                         // tau, or what stands for 0
};
// Of every class; of the background, [0], what counts tell. prediction and truth as for count_overlap.
std::vector<ClassScores> score(const Tensor& prediction, const Tensor& truth, const Scoring& scoring);

}  // namespace voxgrad::losses

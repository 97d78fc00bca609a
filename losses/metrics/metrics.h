// Evaluation metrics of one class in one case (one against the rest). Everything that computes, prints, stores or
// explains a metric reads the one table here. The definitions are those of Maier-Hein et al., "Metrics reloaded",
// Nature Methods 2024, without its exceptions for empty masks. Here the rule is the same for all metrics:
//   both masks are empty   NaN, "undefined", as every ratio 0/0
//   one mask is empty      NaN for a ratio to that mask: of an empty prediction precision and the calibration error of
//                          the class, of an empty truth sensitivity, object recall and RVD, of either MCC and SQ.
//                          Dice, NSD and similar ratios are 0, distances infinite
// Counts (of false positive objects, of holes) are numbers in any case. Specificity and the errors of the size are
// ratios to other voxels, and numbers where both masks are empty. losses/metrics/aggregate.h says how such values enter
// a mean over cases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "losses/metrics/aggregate.h"
#include "losses/metrics/calibration.h"
#include "losses/metrics/objects.h"
#include "losses/metrics/overlap.h"
#include "losses/metrics/surface.h"
#include "losses/metrics/topology.h"

namespace voxgrad::losses {

// All that a metric can be computed from, for one class in one case.
struct Evidence {
  Overlap counts;
  SurfaceDistances surfaces;
  double tau = 0;  // mm, tolerance of nsd
  ObjectMatch objects;
  Betti prediction{}, truth{};
  double boundary_iou = kUndefined;
  double volume = 0;                      // sum of the probabilities
  double calibration_error = kUndefined;  // of the voxels that are predicted as the class
};

// What a metric is computed from. Each value includes those before it.
enum class Needs { counts, surfaces, objects, probabilities };

struct Metric {
  const char* name;     // "hd95", in files
  const char* title;    // "HD95", above a column
  const char* formula;  // "max of the 95th percentiles of d(S -> G) and d(G -> S)"
  Needs needs;
  double perfect;  // value of a perfect segmentation: 1 if larger is better, 0 if values near 0 are
  double (*value)(const Evidence&);
};
// The table, in the order of the needs; dice is the first.
[[nodiscard]] const std::vector<Metric>& metrics();
// Error(usage) with a did-you-mean for an unknown name.
[[nodiscard]] std::size_t metric_index(const std::string& name);

// The values of one class in one case.
struct ClassScores {
  Overlap counts;
  std::vector<double> values;            // of the first metrics(), up to the needs that were asked for
  std::vector<TrueObject> objects = {};  // for by_size()
  // NaN if the metric was not asked for.
  [[nodiscard]] double operator[](std::size_t metric) const;
  [[nodiscard]] bool both_empty() const { return counts.tp + counts.fp + counts.fn == 0; }
};

struct Scoring {
  std::int64_t classes = 2;
  int ignore = -1;
  std::vector<double> spacing = {};                 // mm per axis; empty: 1
  double tau = 0;                                   // mm; 0: the largest spacing
  Needs needs = Needs::objects;                     // metrics are computed up to these needs
  const ProbabilityTally* probabilities = nullptr;  // needed for Needs::probabilities
  [[nodiscard]] double tolerance() const;           // tau, or the largest spacing if tau is 0
};
// Length of the diagonal of an image, in mm.
[[nodiscard]] double image_diagonal(const Shape& shape, const std::vector<double>& spacing);
// The scores of every class; the background, [0], only gets the metrics that are computed from counts. prediction and
// truth as for count_overlap.
[[nodiscard]] std::vector<ClassScores> score(const Tensor& prediction, const Tensor& truth, const Scoring& scoring);

}  // namespace voxgrad::losses

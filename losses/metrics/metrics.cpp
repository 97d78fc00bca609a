#include "losses/metrics/metrics.h"

#include <algorithm>
#include <cmath>

#include "engine/names.h"

namespace voxgrad::losses {
namespace {

double ratio(double numerator, double denominator) { return denominator == 0 ? kUndefined : numerator / denominator; }
double number(std::int64_t count) { return static_cast<double>(count); }

double dice(const Overlap& c) { return ratio(number(2 * c.tp), number(2 * c.tp + c.fp + c.fn)); }
double jaccard(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fp + c.fn)); }
double sensitivity(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fn)); }
double precision(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fp)); }
double specificity(const Overlap& c) { return ratio(number(c.tn), number(c.tn + c.fp)); }
double volume_similarity(const Overlap& c) {
  return 1 - ratio(std::fabs(number(c.fn - c.fp)), number(2 * c.tp + c.fp + c.fn));
}
double relative_volume_difference(const Overlap& c) { return ratio(number(c.fp - c.fn), number(c.tp + c.fn)); }
double voxels(const Overlap& c) { return number(c.tp + c.fp + c.fn + c.tn); }
double region_proportion_error(const Overlap& c) { return ratio(std::fabs(number(c.fp - c.fn)), voxels(c)); }
double mcc(const Overlap& c) {
  const double root = std::sqrt(number(c.tp + c.fp) * number(c.tp + c.fn)) *
                      std::sqrt(number(c.tn + c.fp) * number(c.tn + c.fn));  // pairwise: a perfect mask gives exactly 1
  return ratio(number(c.tp) * number(c.tn) - number(c.fp) * number(c.fn), root);
}
double false_alarms(const ObjectMatch& m) { return number(m.false_alarms); }
template <std::size_t k>
double betti_error(const Evidence& e) {
  return std::fabs(number(e.prediction[k] - e.truth[k]));
}
double border_iou(const Evidence& e) { return e.boundary_iou; }
double class_calibration_error(const Evidence& e) { return e.calibration_error; }
double surface_dice(const Evidence& e) { return nsd(e.surfaces, e.tau); }
double soft_region_proportion_error(const Evidence& e) {
  return ratio(std::fabs(e.volume - number(e.counts.tp + e.counts.fn)), voxels(e.counts));
}

// Functions of counts, of surfaces or of objects, as functions of Evidence.
template <double (*f)(const Overlap&)>
double counted(const Evidence& e) {
  return f(e.counts);
}
template <double (*f)(const SurfaceDistances&)>
double measured(const Evidence& e) {
  return f(e.surfaces);
}
template <double (*f)(const ObjectMatch&)>
double matched(const Evidence& e) {
  return f(e.objects);
}

}  // namespace

const std::vector<Metric>& metrics() {
  constexpr Needs kCounts = Needs::counts, kSurfaces = Needs::surfaces, kObjects = Needs::objects,
                  kProbabilities = Needs::probabilities;
  static const std::vector<Metric> table{
      {"dice", "Dice", "2 tp / (2 tp + fp + fn)", kCounts, 1, counted<dice>},
      {"jaccard", "Jaccard", "tp / (tp + fp + fn)", kCounts, 1, counted<jaccard>},
      {"sensitivity", "sens.", "tp / (tp + fn)", kCounts, 1, counted<sensitivity>},
      {"precision", "prec.", "tp / (tp + fp)", kCounts, 1, counted<precision>},
      {"specificity", "spec.", "tn / (tn + fp)", kCounts, 1, counted<specificity>},
      {"volume_similarity", "VS", "1 - |fn - fp| / (2 tp + fp + fn)", kCounts, 1, counted<volume_similarity>},
      {"relative_volume_difference", "RVD", "(fp - fn) / (tp + fn)", kCounts, 0, counted<relative_volume_difference>},
      {"region_proportion_error", "size err.", "|fp - fn| / voxels", kCounts, 0, counted<region_proportion_error>},
      {"mcc", "MCC", "(tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn))", kCounts, 1, counted<mcc>},
      {"hd", "HD", "max of d(S -> G) and d(G -> S), mm", kSurfaces, 0, measured<hausdorff>},
      {"hd95", "HD95", "max of the 95th percentiles of d(S -> G) and d(G -> S), mm", kSurfaces, 0,
       measured<hausdorff95>},
      {"hd95_pooled", "HD95 pooled", "95th percentile of d(S -> G) and d(G -> S) together, mm", kSurfaces, 0,
       measured<hausdorff95_pooled>},
      {"assd", "ASSD", "mean of d(S -> G) and d(G -> S) together, mm", kSurfaces, 0, measured<assd>},
      {"masd", "MASD", "(mean of d(S -> G) + mean of d(G -> S)) / 2, mm", kSurfaces, 0, measured<masd>},
      {"nsd", "NSD", "share of border voxels with d <= tau", kSurfaces, 1, surface_dice},
      {"object_recall", "recall", "true objects that a predicted one touches / true objects", kObjects, 1,
       matched<object_recall>},
      {"detection_f1", "F1", "2 TP / (2 TP + FN + FP), of objects that touch", kObjects, 1, matched<detection_f1>},
      {"lesion_dice", "lesion Dice", "mean Dice of the true objects, and 0 for every false positive one", kObjects, 1,
       matched<lesion_dice>},
      {"cc_dice", "CC-Dice", "mean Dice of the true objects in their cells", kObjects, 1, matched<cc_dice>},
      {"panoptic_quality", "PQ", "sum IoU / (TP + (FN + FP) / 2), of pairs with IoU > 1/2", kObjects, 1,
       matched<panoptic_quality>},
      {"segmentation_quality", "SQ", "mean IoU of pairs with IoU > 1/2", kObjects, 1, matched<segmentation_quality>},
      {"recognition_quality", "RQ", "TP / (TP + (FN + FP) / 2), of pairs with IoU > 1/2", kObjects, 1,
       matched<recognition_quality>},
      {"false_positive_objects", "FP/case", "predicted objects that touch no true one", kObjects, 0,
       matched<false_alarms>},
      {"betti0_error", "b0", "|difference of the numbers of objects|", kObjects, 0, betti_error<0>},
      {"betti1_error", "b1", "|difference of the numbers of holes (2-D) or tunnels (3-D)|", kObjects, 0,
       betti_error<1>},
      {"betti2_error", "b2", "|difference of the numbers of cavities (3-D)|", kObjects, 0, betti_error<2>},
      {"boundary_iou", "bd. IoU", "IoU of the voxels near the borders, at most 2 % of the diagonal or one voxel away",
       kObjects, 1, border_iou},
      {"class_calibration_error", "class ECE", "calibration error of the voxels predicted as the class", kProbabilities,
       0, class_calibration_error},
      {"soft_region_proportion_error", "soft size err.", "|sum p - (tp + fn)| / voxels", kProbabilities, 0,
       soft_region_proportion_error},
  };
  return table;
}

std::size_t metric_index(const std::string& name) {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Metric& metric : metrics()) result.push_back(metric.name);
    return result;
  }();
  return choose("metric", name, names);
}

double ClassScores::operator[](std::size_t metric) const {
  return metric < values.size() ? values[metric] : kUndefined;
}

double Scoring::tolerance() const {
  return tau > 0 ? tau : spacing.empty() ? 1 : *std::max_element(spacing.begin(), spacing.end());
}

double image_diagonal(const Shape& shape, const std::vector<double>& spacing) {
  double squares = 0;
  for (int axis = 0; axis < shape.dims(); ++axis)
    squares += std::pow(number(shape[axis]) * (spacing.empty() ? 1 : nth(spacing, axis)), 2);
  return std::sqrt(squares);
}

namespace {

void add_objects(Evidence& evidence, const Masks& masks, const Scoring& scoring, double diagonal) {
  if (!masks.truth.defined()) return;
  const double largest =
      scoring.spacing.empty() ? 1 : *std::max_element(scoring.spacing.begin(), scoring.spacing.end());
  evidence.objects = match_objects(masks, scoring.spacing);
  evidence.prediction = betti_numbers(masks.prediction);
  evidence.truth = betti_numbers(masks.truth);
  evidence.boundary_iou = boundary_iou(masks, scoring.spacing, std::max(0.02 * diagonal, largest));
}

}  // namespace

std::vector<ClassScores> score(const Tensor& prediction, const Tensor& truth, const Scoring& scoring) {
  check(scoring.needs < Needs::probabilities || scoring.probabilities != nullptr, "score: no probabilities are given");
  check(scoring.tau >= 0, "score: tau ", scoring.tau, " mm outside 0..");
  const std::vector<Overlap> counts = count_overlap(prediction, truth, scoring.classes, scoring.ignore);
  std::vector<Evidence> evidence(counts.size());
  if (scoring.needs >= Needs::surfaces) {
    std::vector<SurfaceDistances> surfaces =
        surface_distances(prediction, truth, scoring.classes, scoring.spacing, scoring.ignore);
    for (std::size_t c = 1; c < counts.size(); ++c) evidence[c].surfaces = std::move(surfaces[c]);
  }
  if (scoring.needs >= Needs::objects) {
    const Crop crop(prediction, truth, scoring.ignore);
    const double diagonal = image_diagonal(truth.shape(), scoring.spacing);
    for (std::size_t c = 1; c < counts.size(); ++c)
      add_objects(evidence[c], crop.masks(static_cast<std::int64_t>(c), 1), scoring, diagonal);
  }
  std::vector<ClassScores> result;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    Evidence& e = evidence[c];
    e.counts = counts[c];
    e.tau = scoring.tolerance();
    if (scoring.needs >= Needs::probabilities) {
      e.volume = scoring.probabilities->volume(c);
      e.calibration_error = scoring.probabilities->calibration_error(c);
    }
    const Needs most = c == 0 ? Needs::counts : scoring.needs;
    ClassScores& scores = result.emplace_back(ClassScores{counts[c], {}});
    for (const Metric& metric : metrics())
      if (metric.needs <= most) scores.values.push_back(metric.value(e));
    scores.objects = std::move(e.objects.truth);
  }
  return result;
}

}  // namespace voxgrad::losses

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
double surface_dice(const Evidence& e) { return nsd(e.surfaces, e.tau); }
double soft_region_proportion_error(const Evidence& e) {
  return ratio(std::fabs(e.volume - number(e.counts.tp + e.counts.fn)), voxels(e.counts));
}

// Functions of counts or of surfaces, as functions of Evidence.
template <double (*f)(const Overlap&)>
double counted(const Evidence& e) {
  return f(e.counts);
}
template <double (*f)(const SurfaceDistances&)>
double measured(const Evidence& e) {
  return f(e.surfaces);
}

}  // namespace

const std::vector<Metric>& metrics() {
  constexpr Needs kCounts = Needs::counts, kSurfaces = Needs::surfaces, kProbabilities = Needs::probabilities;
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

std::vector<ClassScores> score(const Tensor& prediction, const Tensor& truth, const Scoring& scoring) {
  check(scoring.needs < Needs::probabilities || scoring.probabilities != nullptr, "score: no probabilities are given");
  check(scoring.tau >= 0, "score: tau ", scoring.tau, " mm outside 0..");
  const std::vector<Overlap> counts = count_overlap(prediction, truth, scoring.classes, scoring.ignore);
  std::vector<SurfaceDistances> surfaces(counts.size());
  if (scoring.needs >= Needs::surfaces)
    surfaces = surface_distances(prediction, truth, scoring.classes, scoring.spacing, scoring.ignore);
  std::vector<ClassScores> result;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    Evidence evidence{counts[c], std::move(surfaces[c]), scoring.tolerance(), 0};
    if (scoring.needs >= Needs::probabilities) evidence.volume = scoring.probabilities->volume(c);
    const Needs most = c == 0 ? Needs::counts : scoring.needs;
    result.push_back({counts[c], {}});
    for (const Metric& metric : metrics())
      if (metric.needs <= most) result.back().values.push_back(metric.value(evidence));
  }
  return result;
}

}  // namespace voxgrad::losses

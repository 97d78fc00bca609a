#include "losses/metrics/objects.h"

#include <algorithm>

#include "losses/metrics/aggregate.h"
#include "losses/metrics/components.h"

namespace voxgrad::losses {
namespace {

double ratio(double numerator, double denominator) { return denominator == 0 ? kUndefined : numerator / denominator; }
double real(std::int64_t count) { return static_cast<double>(count); }

// How many voxels a true and a predicted object share; only pairs that share some.
struct Shared {
  std::int32_t truth, prediction;
  std::int64_t voxels;
};

std::vector<Shared> shared_voxels(const Components& truth, const Components& prediction) {
  std::vector<Shared> all;
  for (std::size_t i = 0; i < truth.labels.size(); ++i) {
    const std::int32_t g = truth.labels[i], s = prediction.labels[i];
    if (g == 0 || s == 0) continue;
    if (all.empty() || all.back().truth != g || all.back().prediction != s) all.push_back({g, s, 0});
    ++all.back().voxels;
  }
  const auto pair = [](const Shared& one) { return std::pair(one.truth, one.prediction); };
  std::sort(all.begin(), all.end(), [&](const Shared& a, const Shared& b) { return pair(a) < pair(b); });
  std::vector<Shared> merged;
  for (const Shared& one : all) {
    if (!merged.empty() && pair(merged.back()) == pair(one))
      merged.back().voxels += one.voxels;
    else
      merged.push_back(one);
  }
  return merged;
}

// Number of predicted voxels in the cell of every true object.
std::vector<std::int64_t> predicted_in_cells(const Components& truth, const Components& prediction, const Shape& shape,
                                             const std::vector<double>& spacing) {
  if (truth.count() == 1) return {0, std::ssize(prediction.labels) - prediction.sizes[0]};
  const std::vector<std::int32_t> cells = nearest_object(truth, shape, spacing);
  std::vector<std::int64_t> counts(truth.sizes.size(), 0);
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (prediction.labels[i] != 0) ++nth(counts, cells[i]);
  return counts;
}

}  // namespace

ObjectMatch match_objects(const Masks& masks, const std::vector<double>& spacing) {
  const Components truth = connected_components(masks.truth, Connectivity::corners);
  const Components prediction = connected_components(masks.prediction, Connectivity::corners);
  double voxel = 1;
  for (const double step : spacing) voxel *= step;
  std::vector<std::int64_t> common(truth.sizes.size(), 0), touching(common);  // voxels, by true object
  std::vector<bool> touches(prediction.sizes.size(), false);
  ObjectMatch result;
  result.predicted = prediction.count();
  for (const Shared& one : shared_voxels(truth, prediction)) {
    nth(common, one.truth) += one.voxels;
    nth(touching, one.truth) += nth(prediction.sizes, one.prediction);
    nth(touches, one.prediction) = true;
    const std::int64_t either = nth(truth.sizes, one.truth) + nth(prediction.sizes, one.prediction) - one.voxels;
    if (2 * one.voxels <= either) continue;
    ++result.pairs;
    result.iou_of_pairs += real(one.voxels) / real(either);
  }
  result.false_alarms = result.predicted - std::count(touches.begin(), touches.end(), true);
  if (truth.count() == 0) return result;
  const std::vector<std::int64_t> cells = predicted_in_cells(truth, prediction, masks.truth.shape(), spacing);
  for (std::size_t k = 1; k < truth.sizes.size(); ++k) {
    const double size = real(truth.sizes[k]), twice = 2 * real(common[k]);
    result.truth.push_back({size * voxel, twice / (size + real(touching[k]))});
    result.dice_of_cells += twice / (size + real(cells[k]));
  }
  return result;
}

namespace {

std::int64_t found(const ObjectMatch& m) {
  return std::count_if(m.truth.begin(), m.truth.end(), [](const TrueObject& one) { return one.dice > 0; });
}
double total_dice(const std::vector<TrueObject>& objects) {
  double total = 0;
  for (const TrueObject& one : objects) total += one.dice;
  return total;
}
// TP + (FN + FP) / 2 of panoptic quality.
double expected_pairs(const ObjectMatch& m) { return real(std::ssize(m.truth) + m.predicted) / 2; }

}  // namespace

double object_recall(const ObjectMatch& m) { return ratio(real(found(m)), real(std::ssize(m.truth))); }
double detection_f1(const ObjectMatch& m) {
  return ratio(2 * real(found(m)), real(found(m) + std::ssize(m.truth) + m.false_alarms));
}
double lesion_dice(const ObjectMatch& m) {
  return ratio(total_dice(m.truth), real(std::ssize(m.truth) + m.false_alarms));
}
double cc_dice(const ObjectMatch& m) {
  if (m.truth.empty()) return m.predicted == 0 ? kUndefined : 0;
  return m.dice_of_cells / real(std::ssize(m.truth));
}
double panoptic_quality(const ObjectMatch& m) { return ratio(m.iou_of_pairs, expected_pairs(m)); }
double segmentation_quality(const ObjectMatch& m) { return ratio(m.iou_of_pairs, real(m.pairs)); }
double recognition_quality(const ObjectMatch& m) { return ratio(real(m.pairs), expected_pairs(m)); }

std::array<SizeGroup, 4> by_size(std::vector<TrueObject> objects) {
  std::sort(objects.begin(), objects.end(), [](const TrueObject& a, const TrueObject& b) { return a.size < b.size; });
  std::vector<double> sizes;
  for (const TrueObject& one : objects) sizes.push_back(one.size);
  std::array<SizeGroup, 4> groups{};
  auto first = objects.begin();
  for (std::size_t k = 0; k < groups.size(); ++k) {
    const double limit = quantile(sizes, real(static_cast<std::int64_t>(k) + 1) / 4);
    const auto end = std::find_if(first, objects.end(), [&](const TrueObject& one) { return one.size > limit; });
    const std::vector<TrueObject> group(first, end);
    const std::int64_t count = std::ssize(group);
    const std::int64_t hit = std::count_if(first, end, [](const TrueObject& one) { return one.dice > 0; });
    groups[k] = {group.empty() ? kUndefined : group.front().size, group.empty() ? kUndefined : group.back().size, count,
                 ratio(real(hit), real(count)), ratio(total_dice(group), real(count))};
    first = end;
  }
  return groups;
}

}  // namespace voxgrad::losses

#include "losses/core/metrics.h"

#include <array>
#include <cmath>
#include <limits>

namespace voxgrad::losses {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double ratio(double numerator, double denominator) { return denominator == 0 ? kUndefined : numerator / denominator; }

double number(std::int64_t count) { return static_cast<double>(count); }

double jaccard(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fp + c.fn)); }
double sensitivity(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fn)); }
double precision(const Overlap& c) { return ratio(number(c.tp), number(c.tp + c.fp)); }
double specificity(const Overlap& c) { return ratio(number(c.tn), number(c.tn + c.fp)); }
double volume_similarity(const Overlap& c) {
  return 1 - ratio(std::fabs(number(c.fn - c.fp)), number(2 * c.tp + c.fp + c.fn));
}
double relative_volume_difference(const Overlap& c) { return ratio(number(c.fp - c.fn), number(c.tp + c.fn)); }
double region_proportion_error(const Overlap& c) {
  return ratio(std::fabs(number(c.fp - c.fn)), number(c.tp + c.fp + c.fn + c.tn));
}
double mcc(const Overlap& c) {
  const double root = std::sqrt(number(c.tp + c.fp)) * std::sqrt(number(c.tp + c.fn)) * std::sqrt(number(c.tn + c.fp)) *
                      std::sqrt(number(c.tn + c.fn));
  return ratio(number(c.tp) * number(c.tn) - number(c.fp) * number(c.fn), root);
}

}  // namespace

double dice(const Overlap& c) { return ratio(number(2 * c.tp), number(2 * c.tp + c.fp + c.fn)); }

const std::vector<OverlapMetric>& overlap_metrics() {
  static const std::vector<OverlapMetric> metrics{
      {"dice", "2 tp / (2 tp + fp + fn)", dice},
      {"jaccard", "tp / (tp + fp + fn)", jaccard},
      {"sensitivity", "tp / (tp + fn)", sensitivity},
      {"precision", "tp / (tp + fp)", precision},
      {"specificity", "tn / (tn + fp)", specificity},
      {"volume_similarity", "1 - |fn - fp| / (2 tp + fp + fn)", volume_similarity},
      {"relative_volume_difference", "(fp - fn) / (tp + fn)", relative_volume_difference},
      {"region_proportion_error", "|fp - fn| / voxels", region_proportion_error},
      {"mcc", "(tp tn - fp fn) / sqrt((tp + fp)(tp + fn)(tn + fp)(tn + fn))", mcc},
  };
  return metrics;
}

std::vector<Overlap> count_overlap(const Tensor& prediction, const Tensor& truth, std::int64_t classes, int ignore) {
  check(prediction.shape() == truth.shape(), "count_overlap: prediction ", prediction, " and truth ", truth,
        " must have one shape");
  check(classes >= 1 && classes <= 256, "count_overlap: classes ", classes, " outside 1..256");
  // How often each pair of labels occurs; everything else follows from it.
  std::vector<std::int64_t> pairs(256 * 256, 0);
  const std::uint8_t* s = prediction.data<std::uint8_t>();
  const std::uint8_t* g = truth.data<std::uint8_t>();
  std::int64_t voxels = 0;
  for (std::int64_t i = 0; i < truth.numel(); ++i) {
    if (g[i] == ignore) continue;
    ++pairs[static_cast<std::size_t>(g[i]) * 256 + s[i]];
    ++voxels;
  }
  std::array<std::int64_t, 256> in_truth{}, in_prediction{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    in_truth[i / 256] += pairs[i];
    in_prediction[i % 256] += pairs[i];
  }
  for (std::size_t label = static_cast<std::size_t>(classes); label < 256; ++label) {
    if (in_truth[label] + in_prediction[label] == 0) continue;
    throw Error(ErrorKind::data, text(in_truth[label] > 0 ? "truth" : "prediction", ": label ", label, " outside 0..",
                                      classes - 1, ", ", in_truth[label] + in_prediction[label], " voxels"));
  }
  std::vector<Overlap> counts(static_cast<std::size_t>(classes));
  for (std::size_t c = 0; c < counts.size(); ++c) {
    Overlap& o = counts[c];
    o.tp = pairs[c * 257];
    o.fp = in_prediction[c] - o.tp;
    o.fn = in_truth[c] - o.tp;
    o.tn = voxels - o.tp - o.fp - o.fn;
  }
  return counts;
}

Summary summarise(const std::vector<double>& values) {
  Summary result{kUndefined, kUndefined, 0};
  double total = 0, squares = 0;
  for (const double v : values)
    if (!std::isnan(v)) total += v, ++result.count;
  if (result.count == 0) return result;
  result.mean = total / number(result.count);
  for (const double v : values)
    if (!std::isnan(v)) squares += (v - result.mean) * (v - result.mean);
  if (result.count > 1) result.deviation = std::sqrt(squares / number(result.count - 1));
  return result;
}

}  // namespace voxgrad::losses

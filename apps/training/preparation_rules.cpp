#include "apps/training/preparation_rules.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/words.h"
#include "apps/training/config.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"
#include "losses/metrics/aggregate.h"
#include "nn/inference/preparation.h"

namespace voxgrad::apps {
namespace {

constexpr double kWorthCropping = 0.9;    // the share of the voxels below which a crop saves time
constexpr double kMuchBackground = 0.75;  // .. and below which the background would decide mean and deviation (nnU-Net)
constexpr double kSameSpacing = 1.1;      // spacings that differ by less are not worth an interpolation
constexpr double kOtherUnit = 32;         // .. by more are mistakes; nn::grid_of refuses the factor
constexpr double kFewSlices = 3;  // another axis has more than so many times the voxels of the thick one (nnU-Net)

// Returns the values of all cases along an axis in increasing order.
template <class Row>
std::vector<double> sorted_along(const std::vector<Row>& rows, std::ptrdiff_t axis) {
  std::vector<double> values;
  for (const Row& row : rows) values.push_back(static_cast<double>(row.begin()[axis]));
  std::sort(values.begin(), values.end());
  return values;
}

// Returns the thick axis if it has few slices, or -1.
int axis_of_few_slices(const PreparationFacts& facts, const std::vector<double>& median) {
  const int thick = thick_axis(median);
  if (thick < 0) return -1;
  const auto extent = [&](int axis) { return losses::quantile(sorted_along(facts.shapes, axis), 0.5); };
  for (int axis = 0; axis < 3; ++axis)
    if (axis != thick && extent(thick) * kFewSlices >= extent(axis)) return -1;
  return thick;
}

std::string kept_text(const PreparationFacts& facts) {
  return text("the box of the voxels that are not 0 has ", significant(100 * facts.kept, 3),
              " % of the voxels of a case (median of ", count_text(facts.read.size(), "training case"), ")");
}

}  // namespace

std::int64_t cases_to_read(const std::vector<Shape>& shapes) {
  constexpr std::int64_t kMost = 64, kVoxels = 64'000'000;
  std::int64_t voxels = 0;
  for (const Shape& shape : shapes) voxels += shape.numel();
  const std::int64_t count = std::ssize(shapes), each = std::max<std::int64_t>(1, voxels / count);
  return std::min(count, std::clamp<std::int64_t>(kVoxels / each, shapes.front().dims() == 2 ? 16 : 8, kMost));
}

Decision choose_crop(const PreparationFacts& facts) {
  if (facts.read.empty()) return {"off", "no case was read"};
  if (facts.kept < kWorthCropping) return {"on", kept_text(facts) + ": the rest is background"};
  return {"off", kept_text(facts) + ": a crop would save little"};
}

Decision choose_spacing(const PreparationFacts& facts) {
  if (!facts.physical) return {"none", "the spacings are pixels and no lengths"};
  std::vector<double> median;
  double most = 1;
  std::ptrdiff_t most_axis = 0;
  for (std::ptrdiff_t axis = 0; axis < std::ssize(facts.spacings.front()); ++axis) {
    const std::vector<double> values = sorted_along(facts.spacings, axis);
    if (const double factor = values.back() / values.front(); factor > most) most = factor, most_axis = axis;
    median.push_back(losses::quantile(values, 0.5));
  }
  const std::string differ = text("the spacings of the training cases differ by a factor of ", significant(most, 3),
                                  " along axis ", most_axis);
  if (most == 1) return {"none", "all training cases have the same spacing"};
  if (most <= kSameSpacing) return {"none", differ + ", which is too little to resample them"};
  if (most > kOtherUnit) return {"none", differ + ": a unit is probably wrong, so they are not resampled"};
  const int thick = axis_of_few_slices(facts, median);
  if (thick < 0) return {spacing_text(median), differ + ": every case gets their median"};
  double finest = 0;
  for (int axis = 0; axis < 3; ++axis)
    if (axis != thick) finest = std::max(finest, nth(median, axis));
  nth(median, thick) = std::max(finest, losses::quantile(sorted_along(facts.spacings, thick), 0.1));
  return {spacing_text(median), differ + text(": every case gets their median; along axis ", thick,
                                              ", which has few thick slices, their 10th percentile")};
}

Decision choose_normalisation(const PreparationFacts& facts) {
  const auto letter = [&](std::size_t i) { return std::toupper(static_cast<unsigned char>(facts.modality[i])); };
  const bool varied = std::all_of(facts.foreground.begin(), facts.foreground.end(),
                                  [](const ForegroundValues& channel) { return channel.high > channel.low; });
  if (varied && facts.modality.size() == 2 && letter(0) == 'C' && letter(1) == 'T')
    return {"dataset", "the modality is CT, in which an intensity means the same in every image"};
  if (facts.colour) return {"rgb", "the images are colour pictures of 8 bits, whose colours mean the same in each"};
  if (facts.kept < kMuchBackground)
    return {"mask", kept_text(facts) + ": mean and deviation are those of the voxels that are not 0"};
  return {"case", "intensities are comparable within an image only"};
}

}  // namespace voxgrad::apps

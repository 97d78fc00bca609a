#include "apps/report/loss_pictures.h"

#include <algorithm>
#include <cmath>

#include "apps/program/console.h"
#include "apps/program/svg.h"
#include "apps/report/drawing.h"
#include "apps/report/gradient_picture.h"
#include "apps/report/plots/lines.h"
#include "engine/ops.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kImageSide = 64, kScale = 3;  // pixels of the image; of the picture for each of them
constexpr double kRadius = 10, kShift = 6;  // of the true disc; of the prediction in the picture of the gradient
constexpr double kSurest = 6;               // p is between sigmoid(-6) = 0.0025 and 0.9975

double distance_to_disc(std::int64_t index, double shift) {
  const double middle = kImageSide / 2.0, x = static_cast<double>(index % kImageSide) + 0.5 - middle - shift;
  return std::hypot(x, static_cast<double>(index / kImageSide) + 0.5 - middle);
}

bool in_disc(std::int64_t index) { return distance_to_disc(index, 0) <= kRadius; }

Tensor true_disc() {
  const Tensor labels = empty({1, kImageSide, kImageSide}, DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i) labels.data<std::uint8_t>()[i] = in_disc(i) ? 1 : 0;
  return labels;
}

// Logits of two classes, f64 [1, 64, 64, 2]. Without a radius nothing is predicted.
Tensor disc_logits(double radius, double shift) {
  const Tensor logits = empty({1, kImageSide, kImageSide, 2}, DType::f64);
  double* const z = logits.data<double>();
  for (std::int64_t i = 0; i < kImageSide * kImageSide; ++i) {
    const double surplus = radius > 0 ? 3 * (radius - distance_to_disc(i, shift)) : -kSurest;
    z[2 * i + 1] = std::clamp(surplus, -kSurest, kSurest) / 2;
    z[2 * i] = -z[2 * i + 1];
  }
  return logits;
}

// The second of two channels.
std::vector<double> of_disc(const Tensor& map) {
  const std::vector<double> all = map.to_vector<double>();
  std::vector<double> result;
  for (std::size_t i = 1; i < all.size(); i += 2) result.push_back(all[i]);
  return result;
}

std::string picture_of(const std::vector<double>& values, const ColourMap& map, Colour border) {
  Drawing drawing(kImageSide * kScale, kImageSide * kScale);
  for (std::int64_t i = 0; i < kImageSide * kImageSide; ++i) {
    const std::int64_t x = i % kImageSide * kScale, y = i / kImageSide * kScale;
    drawing.fill(x, y, kScale, kScale, map(nth(values, i)));
    // A line between pixels of which one is in the disc; at the rim of the image there is none.
    if (i >= kImageSide && in_disc(i) != in_disc(i - kImageSide)) drawing.fill(x, y, kScale + 1, 1, border);
    if (i % kImageSide > 0 && in_disc(i) != in_disc(i - 1)) drawing.fill(x, y, 1, kScale + 1, border);
  }
  return to_png(drawing.picture());
}

LossPictures::Curve value_curve(const losses::Spec& spec, const std::string& horizontal, const std::string& unit,
                                const std::vector<double>& places, const std::vector<double>& values) {
  const Axis range = axis_around(values, -1e300, 1e300, 1e-6, 0, 1);
  Line line{"", {}, "thick-0", {}};
  for (std::size_t i = 0; i < places.size(); ++i) line.points.emplace_back(places[i], values[i]);
  std::vector<Line> lines{line};
  std::string smallest = "It is the same everywhere.";
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (*most - *least > 1e-6) {
    const std::int64_t best = least - values.begin();
    lines.push_back({"", {nth(line.points, best)}, "", spec.family});
    smallest = "It is smallest at " + significant(nth(places, best)) + unit + ".";
  }
  return {line_plot({.title = spec.name + ": the value, over the " + horizontal,
                     .vertical = "value",
                     .low = range.low,
                     .high = range.high,
                     .lines = lines,
                     .horizontal = horizontal}),
          smallest};
}

}  // namespace

std::string predicted_disc() {
  return picture_of(of_disc(softmax(disc_logits(kRadius, kShift))), grey_map(0, 1), {230, 60, 60});
}

LossPictures loss_pictures(const losses::Spec& spec) {
  const losses::Loss loss = losses::make_loss(spec.name);
  const Tensor labels = true_disc();
  LossPictures result;

  Tensor logits = disc_logits(kRadius, kShift).set_requires_grad();
  const Tensor value = loss(logits, labels);
  if (value.requires_grad()) value.backward();
  const std::vector<double> gradient = of_disc(logits.has_grad() ? logits.grad() : zeros_like(logits));
  result.largest = colour_end(gradient);
  result.gradient = picture_of(gradient, diverging_map(std::max(result.largest, 1e-300)), {0, 0, 0});

  const NoGrad guard;
  std::vector<double> sizes, of_sizes, shifts, of_shifts;
  for (int i = 0; i <= 24; ++i) {
    sizes.push_back(i / 8.0);
    of_sizes.push_back(loss(disc_logits(kRadius * std::sqrt(sizes.back()), 0), labels).item());
  }
  for (int i = 0; i <= 20; ++i) {
    shifts.push_back(i);
    of_shifts.push_back(loss(disc_logits(kRadius, i), labels).item());
  }
  result.over_size = value_curve(spec, "size of the prediction / true size", " times the true size", sizes, of_sizes);
  result.over_shift = value_curve(spec, "distance of the discs in pixels", " pixels", shifts, of_shifts);
  return result;
}

}  // namespace voxgrad::apps

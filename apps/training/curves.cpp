#include "apps/training/curves.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "apps/program/console.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {
namespace {

// Okabe and Ito's palette, which everybody can tell apart.
constexpr const char* kStyle =
    "text{font:12px sans-serif;fill:#888888}polyline{stroke-width:2}.grid{stroke:#888888;stroke-opacity:.3}"
    "polyline.loss{stroke:#0072b2}.loss{fill:#0072b2}polyline.dice{stroke:#d55e00}.dice{fill:#d55e00}"
    "polyline.loss,polyline.dice{fill:none}";

// Returns the range of the losses, from 0 (or the smallest one if that is negative) to the largest one.
std::pair<double, double> range_of_losses(const std::vector<EpochRecord>& history) {
  std::vector<double> losses;
  for (const EpochRecord& record : history)
    if (std::isfinite(record.loss)) losses.push_back(record.loss);
  if (losses.empty()) return {0, 1};
  const auto [least, most] = std::minmax_element(losses.begin(), losses.end());
  const double low = std::min(0.0, *least);
  return {low, *most > low ? *most : low + 1};
}

}  // namespace

std::string curves_svg(const std::vector<EpochRecord>& history) {
  constexpr double kWidth = 720, kHeight = 320, kSide = 56, kRight = kWidth - kSide, kTop = 32, kBottom = kHeight - 40;
  const auto [low, high] = range_of_losses(history);
  const std::int64_t epochs = history.empty() ? 0 : history.back().epoch;
  const Axis loss{low, high, kBottom, kTop}, dice{0, 1, kBottom, kTop};
  const Axis epoch{1, static_cast<double>(epochs), kSide, kRight};
  Svg svg(kWidth, kHeight, "training loss and validation Dice over the epochs");
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0, y = dice(share);
    svg.line(kSide, y, kRight, y, "grid");
    svg.text(kSide - 6, y + 4, "end", fixed(low + share * (high - low), 3), "loss");
    svg.text(kRight + 6, y + 4, "start", fixed(share, 2), "dice");
  }
  svg.text(kSide, kTop - 14, "start", "training loss", "loss");
  svg.text(kRight, kTop - 14, "end", "validation Dice", "dice");
  if (history.empty()) return svg.str(kStyle);
  svg.text(kSide, kHeight - 14, "start", "epoch 1");
  svg.text(kRight, kHeight - 14, "end", "epoch " + std::to_string(epochs));
  const auto draw = [&](const Axis& axis, double EpochRecord::*value, const std::string& style) {
    std::vector<std::pair<double, double>> points;
    for (const EpochRecord& record : history)
      if (std::isfinite(record.*value))
        points.emplace_back(epochs > 1 ? epoch(static_cast<double>(record.epoch)) : kWidth / 2, axis(record.*value));
    svg.curve(points, style);
    for (const auto& [x, y] : points) svg.dot(x, y, 2, style);
  };
  draw(loss, &EpochRecord::loss, "loss");
  draw(dice, &EpochRecord::val_dice, "dice");
  return svg.str(kStyle);
}

}  // namespace voxgrad::apps

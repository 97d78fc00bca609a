#include "apps/report/plots/learning_curves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/comparison/answers.h"
#include "apps/program/svg.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using Points = std::vector<std::pair<double, double>>;

Points curve_of(const Comparison& comparison, const std::string& dataset, const std::string& loss) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const ComparedRun& run : comparison.runs)
    if (run.dataset == dataset && run.loss == loss)
      for (const EpochRecord& record : run.history)
        if (!std::isnan(record.val_dice)) values[record.step].push_back(record.val_dice);
  Points points;
  for (const auto& [step, dice] : values) points.emplace_back(static_cast<double>(step), losses::summarise(dice).mean);
  return points;
}

}  // namespace

std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named) {
  constexpr double kHeight = 290, kLeft = 40, kRight = 12, kTop = 60, kBottom = 36;
  std::map<std::string, Points> curves;
  double last = 0;
  std::size_t longest = 0;
  for (const std::string& loss : comparison.losses()) {
    curves[loss] = curve_of(comparison, dataset, loss);
    longest = std::max(longest, curves[loss].size());
    if (!curves[loss].empty()) last = std::max(last, curves[loss].back().first);
  }
  if (longest < 2) return "";
  Svg svg(kPictureWidth, kHeight, "validation Dice over the steps of the training on " + dataset);
  const Axis x{0, last, kLeft, kPictureWidth - kRight}, y{0, 1, kHeight - kBottom, kTop};
  draw_horizontal_axis(svg, x, kTop, kHeight - kBottom, "training steps");
  for (const double tick : y.ticks()) {
    svg.line(kLeft, y(tick), kPictureWidth - kRight, y(tick), "grid");
    svg.text(kLeft - 6, y(tick) + 3.5, "end", y.label(tick), "soft");
  }
  svg.text(4, kTop - 8, "start", "validation Dice", "soft");
  const auto draw = [&](const std::string& loss, const std::string& style) {
    Points pixels;
    for (const auto& [step, dice] : curves[loss]) pixels.emplace_back(x(step), y(dice));
    svg.curve(pixels, style);
    return pixels;
  };
  for (const auto& [loss, points] : curves)
    if (std::find(named.begin(), named.end(), loss) == named.end()) draw(loss, "thin");
  double legend = 12;
  int dash = 0;
  for (const std::string& loss : named) {
    const std::string style = std::string("thick-") + std::to_string(dash++);
    for (const auto& [px, py] : draw(loss, style)) svg.marker(px, py, family_of(loss));
    svg.line(kPictureWidth - 212, legend - 4, kPictureWidth - 184, legend - 4, style);
    svg.marker(kPictureWidth - 198, legend - 4, family_of(loss));
    svg.text(kPictureWidth - 178, legend, "start", shortened(loss, 29), "", loss);
    legend += 15;
  }
  return svg.str();
}

}  // namespace voxgrad::apps

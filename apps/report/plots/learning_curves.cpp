#include "apps/report/plots/learning_curves.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "apps/comparison/answers.h"
#include "apps/program/console.h"
#include "apps/report/plots/lines.h"
#include "losses/metrics/metrics.h"

namespace voxgrad::apps {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr std::size_t kMostOfCurve = 400;  // of a curve; a picture has no more pixels

// The Dice at a step that is not before the first point, linear between the points; NaN behind the last one.
double dice_at(const Points& points, double step) {
  const auto next = std::find_if(points.begin(), points.end(), [&](const auto& point) { return point.first >= step; });
  if (next == points.end()) return std::nan("");
  if (next->first == step) return next->second;
  const auto& [x, y] = *(next - 1);
  return y + (next->second - y) * (step - x) / (next->first - x);
}

// The mean over the trainings. Those of folds are validated at steps of their own, between which they are interpolated:
// else every point would be the mean of some folds alone.
Line curve_of(const Comparison& comparison, const std::string& dataset, const std::string& loss) {
  std::vector<Points> trainings;
  std::set<double> steps;
  double begin = 0;
  for (const ComparedRun& run : comparison.runs) {
    if (run.dataset != dataset || run.loss != loss) continue;
    Points points;
    for (const EpochRecord& record : run.history)
      if (!std::isnan(record.val_dice)) points.emplace_back(static_cast<double>(record.step), record.val_dice);
    if (points.empty()) continue;
    begin = std::max(begin, points.front().first);
    for (const auto& point : points) steps.insert(point.first);
    trainings.push_back(points);
  }
  Line line{"", {}, "thin"};
  const std::size_t stride = (steps.size() + kMostOfCurve - 1) / kMostOfCurve;
  std::size_t left = steps.size();
  for (const double step : steps) {
    if (--left % stride != 0 || step < begin) continue;  // the last one stays
    std::vector<double> dice;
    for (const Points& points : trainings) dice.push_back(dice_at(points, step));
    line.points.emplace_back(step, losses::summarise(dice).mean);
  }
  return line;
}

// The scale of the values: those of the second half of the training, without the losses that are far below the others.
Axis scale_of(const std::vector<Line>& lines, double from, double to) {
  constexpr double kFarBelow = 0.3, kNarrowest = 0.04;
  double last = 0, best = 0;
  for (const Line& line : lines) last = std::max(last, line.points.back().first);
  Points late;
  for (const Line& line : lines)
    for (const auto& [step, dice] : line.points)
      if (2 * step >= last) late.emplace_back(step, dice), best = std::max(best, dice);
  std::vector<double> shown;
  for (const auto& [step, dice] : late)
    if (dice >= best - kFarBelow) shown.push_back(dice);
  return axis_around(shown, 0, 1, kNarrowest, from, to);
}

// Cuts off what is below the scale, which ends at the pixel `bottom`.
Points above(const Points& points, double bottom) {
  Points shown;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto& [x, y] = points[i];
    if (i > 0 && (y > bottom) != (points[i - 1].second > bottom)) {
      const auto& [x0, y0] = points[i - 1];
      shown.emplace_back(x0 + (x - x0) * (bottom - y0) / (y - y0), bottom);
    }
    if (y <= bottom) shown.push_back(points[i]);
  }
  return shown;
}

}  // namespace

std::optional<Svg> named_curves_plot(const Comparison& comparison, const std::string& dataset,
                                     const std::vector<std::string>& losses, double width) {
  constexpr double kLeft = 36, kTop = 22, kFoot = 36, kRoom = 12.5, kLeast = 220, kLeader = 16;
  std::vector<Line> lines;
  std::size_t longest = 0;
  for (const std::string& loss : losses) {
    Line line = curve_of(comparison, dataset, loss);
    longest = std::max(longest, line.points.size());
    line.name = loss;
    if (!line.points.empty()) lines.push_back(std::move(line));
  }
  if (longest < 2) return std::nullopt;
  const NameColumn names(width);
  const double bottom = kTop + std::max(kLeast, kRoom * static_cast<double>(lines.size())), right = width - names.width;
  Svg svg(width, bottom + kFoot, "validation Dice of every loss over the steps of the training on " + dataset);
  const Axis y = scale_of(lines, bottom, kTop);
  double last = 0;
  for (const Line& line : lines) last = std::max(last, line.points.back().first);
  const Axis x{0, last, kLeft, right};
  draw_horizontal_axis(svg, x, kTop, bottom, "training steps");
  for (const double tick : y.ticks()) {
    svg.line(kLeft, y(tick), right, y(tick), "grid");
    svg.text(kLeft - 6, y(tick) + 3.5, "end", y.label(tick), "soft");
  }
  svg.text(4, kTop - 10, "start", "validation Dice", "soft");
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.points.back().second > b.points.back().second; });
  std::vector<double> places;
  for (const Line& line : lines) places.push_back(std::min(y(line.points.back().second), bottom));
  const std::vector<double> ends = places;
  move_apart(places, kRoom, kTop, bottom);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& [step, dice] = lines[i].points.back();
    const losses::Family family = family_of(lines[i].name);
    Points pixels;
    for (const auto& [at, value] : lines[i].points) pixels.emplace_back(x(at), y(value));
    svg.begin("curve");
    svg.curve(above(pixels, bottom), std::string("of-") + losses::name_of(family));
    svg.curve({{x(step), ends[i]}, {right + kLeader, places[i]}}, "leader");
    if (dice >= y.low) svg.marker(x(step), ends[i], family);
    const std::string value = dice < y.low ? " " + fixed(dice, 2) : "";
    svg.text(right + kLeader + 3, places[i] + 3.5, "start",
             shortened(lines[i].name, names.letters - 2 - value.size()) + value, "", lines[i].name);
    svg.end();
  }
  return svg;
}

std::string learning_curves_plot(const Comparison& comparison, const std::string& dataset,
                                 const std::vector<std::string>& named, double low) {
  LinePlot plot{"validation Dice over the steps of the training on " + dataset, "validation Dice", low, 1, {}};
  for (const std::string& loss : comparison.losses())
    if (std::find(named.begin(), named.end(), loss) == named.end())
      plot.lines.push_back(curve_of(comparison, dataset, loss));
  int dash = 0;
  for (const std::string& loss : named) {
    Line line = curve_of(comparison, dataset, loss);
    line.name = loss;
    line.style = "thick-" + std::to_string(dash++);
    line.marker = family_of(loss);
    plot.lines.push_back(std::move(line));
  }
  return line_plot(plot);
}

}  // namespace voxgrad::apps

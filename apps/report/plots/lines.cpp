#include "apps/report/plots/lines.h"

#include <algorithm>

#include "apps/program/svg.h"

namespace voxgrad::apps {

std::string line_plot(const LinePlot& plot) {
  constexpr double kCurves = 194, kLeft = 40, kRight = 12, kBottom = 36, kEntry = 15;
  double last = 0;
  std::size_t longest = 0;
  for (const Line& line : plot.lines) {
    longest = std::max(longest, line.points.size());
    if (!line.points.empty()) last = std::max(last, line.points.back().first);
  }
  if (longest < 2) return "";
  const auto named = std::count_if(plot.lines.begin(), plot.lines.end(), [](const Line& l) { return !l.name.empty(); });
  const double top = kEntry * static_cast<double>(std::max<std::ptrdiff_t>(1, named)) + kEntry, bottom = top + kCurves;
  Svg svg(kPictureWidth, bottom + kBottom, plot.title);
  const Axis x{0, last, kLeft, kPictureWidth - kRight}, y{plot.low, plot.high, bottom, top};
  draw_horizontal_axis(svg, x, top, bottom, plot.horizontal);
  for (const double tick : y.ticks()) {
    svg.line(kLeft, y(tick), kPictureWidth - kRight, y(tick), "grid");
    svg.text(kLeft - 6, y(tick) + 3.5, "end", y.label(tick), "soft");
  }
  svg.text(4, top - 8, "start", plot.vertical, "soft");
  double legend = 12;
  for (const Line& line : plot.lines) {
    std::vector<std::pair<double, double>> pixels;
    for (const auto& [step, value] : line.points) pixels.emplace_back(x(step), y(value));
    svg.curve(pixels, line.style);
    for (const auto& [px, py] : pixels)
      if (line.marker) svg.marker(px, py, *line.marker);
    if (line.name.empty()) continue;
    svg.line(kPictureWidth - 212, legend - 4, kPictureWidth - 184, legend - 4, line.style);
    if (line.marker) svg.marker(kPictureWidth - 198, legend - 4, *line.marker);
    svg.text(kPictureWidth - 178, legend, "start", shortened(line.name, 29), "", line.name);
    legend += kEntry;
  }
  return svg.str();
}

}  // namespace voxgrad::apps

#include "apps/report/plots/rows.h"

#include <algorithm>
#include <cmath>

#include "apps/comparison/statistics/bootstrap.h"

namespace voxgrad::apps {
namespace {

constexpr double kTop = 8, kBottom = 36, kRight = 12;

}  // namespace

Svg row_plot(const RowPlot& plot, double width) {
  constexpr std::size_t kFew = 12;  // so many rows have room in a wide picture
  const NameColumn names(width);
  const double step = width >= kWideWidth && plot.rows.size() <= kFew ? 24 : 16;
  const double height = kTop + step * static_cast<double>(plot.rows.size()) + kBottom, bottom = height - kBottom;
  Svg svg(width, height, plot.title);
  std::vector<double> values;
  for (const PlotRow& row : plot.rows) values.insert(values.end(), {row.low_end, row.high_end, row.middle});
  if (plot.from_zero) values.push_back(0);
  if (!std::isnan(plot.reference)) values.push_back(plot.reference);
  const Axis axis = axis_around(values, plot.least, plot.most, plot.narrowest, names.width, width - kRight);
  const auto x = [&](double value) { return axis(std::clamp(value, axis.low, axis.high)); };
  draw_horizontal_axis(svg, axis, kTop, bottom, plot.axis);
  if (!std::isnan(plot.reference)) svg.line(x(plot.reference), kTop, x(plot.reference), bottom, "reference");
  double y = kTop + step / 2;
  for (const PlotRow& row : plot.rows) {
    svg.text(names.width - 8, y + 3.5, "end", shortened(row.loss, names.letters), "", row.loss);
    if (plot.from_zero) svg.line(x(0), y, x(row.middle), y, "bar");
    if (row.low_end < row.high_end) svg.line(x(row.low_end), y, x(row.high_end), y, "whisker");
    if (row.low < row.high) svg.rect(x(row.low), y - 4, x(row.high) - x(row.low), 8, "box");
    svg.marker(x(row.middle), y, row.family);
    y += step;
  }
  return svg;
}

void add_box(RowPlot& plot, const std::string& loss, losses::Family family, std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); }), values.end());
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  plot.rows.push_back({loss, family, quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75),
                       quantile(values, 0.05), quantile(values, 0.95)});
}

}  // namespace voxgrad::apps

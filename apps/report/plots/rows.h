// Draws one row per loss along a common axis: box plots, means with intervals, single values.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "apps/program/svg.h"
#include "losses/core/registry.h"

namespace voxgrad::apps {

struct PlotRow {
  std::string loss;
  losses::Family family;
  double middle;
  double low = middle, high = middle;     // the box
  double low_end = low, high_end = high;  // the whiskers
};

struct RowPlot {
  std::string title, axis;  // `axis` says what the axis means, with its unit
  std::vector<PlotRow> rows;
  double least, most;      // the axis shows no more than this; values beyond are drawn at its end
  double narrowest = 0;    // the axis shows no less than this
  double reference = NAN;  // a line to compare with
  bool from_zero = false;  // whether bars are drawn that begin at 0
};
// Wider plots have room for longer names.
Svg row_plot(const RowPlot& plot, double width = kPictureWidth);

// Adds a row with the quartiles as box, whiskers from the 5th to the 95th percentile, and the median as mark. Without
// values it adds no row.
void add_box(RowPlot& plot, const std::string& loss, losses::Family family, std::vector<double> values);

}  // namespace voxgrad::apps

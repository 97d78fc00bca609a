// Draws curves, such as those over the steps of a training, with a legend above them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "losses/core/registry.h"

namespace voxgrad::apps {

struct Line {
  std::string name;                               // for the legend; a curve without a name is not in it
  std::vector<std::pair<double, double>> points;  // such as steps and values
  std::string style;                              // CSS class
  std::optional<losses::Family> marker = {};      // at each point
};

struct LinePlot {
  std::string title;     // is read to people who cannot see the picture
  std::string vertical;  // what the values are
  double low, high;      // of the values
  std::vector<Line> lines;
  std::string horizontal = "training steps";  // from 0 on
};

// Returns the plot. It is empty if no curve has two points.
std::string line_plot(const LinePlot& plot);

}  // namespace voxgrad::apps

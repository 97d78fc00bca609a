// Makes pictures of predictions: for each dataset the worst, the median and the best case of the winner, with the truth
// in the colours of the classes, and what the winner, the baseline and the last of the ranking found, missed and found
// wrongly (style_of_mistakes). A case is drawn at its own resolution, as far as the size of the page allows.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/analysis.h"
#include "apps/report/html.h"
#include "engine/tensor.h"

namespace voxgrad::apps {

struct OverlayRow {
  std::size_t dataset;  // index in the comparison
  std::string caption;
  std::vector<Tile> tiles;  // the image, the truth, then one per loss
};

// Predicts with the stored models, on `device`, and keeps the pictures in DIRECTORY/overlays. Without `redraw` it takes
// the pictures that are there already. `notes` says what could not be drawn and why, for example because a dataset is
// not where it was.
std::vector<OverlayRow> overlays(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                 const std::string& directory, bool redraw, Device device,
                                 std::vector<std::string>& notes);

// Returns the classes of a dataset with their colours, as HTML.
std::string legend_of_classes(const ComparedDataset& dataset);

// Returns the losses of a ranking that are shown: the first, the baseline and the last, each once.
std::vector<std::string> shown_losses(const Analysis& analysis);

}  // namespace voxgrad::apps

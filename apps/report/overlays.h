// Makes pictures of predictions: for each dataset the worst, the median and the best case of the winner, and what the
// winner, the baseline and the last of the ranking made of them. Agreement, misses and false positives have three
// colours that everyone can tell apart.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/analysis.h"
#include "apps/report/html.h"

namespace voxgrad::apps {

struct OverlayRow {
  std::string dataset, caption;
  std::vector<Tile> tiles;  // the image, then one per loss
};

// Predicts with the stored models and keeps the pictures in DIRECTORY/overlays. Without `redraw` it takes the pictures
// that are there already. `notes` says what could not be drawn and why, for example because a dataset is not where it
// was.
std::vector<OverlayRow> overlays(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                 const std::string& directory, bool redraw, std::vector<std::string>& notes);

// Returns the losses of a ranking that are shown: the first, the baseline and the last, each once.
std::vector<std::string> shown_losses(const Analysis& analysis);

}  // namespace voxgrad::apps

// Pictures of what a run has learned: the worst, the median and the best case, with the truth beside the prediction.
#pragma once

#include <string>
#include <vector>

#include "apps/report/html.h"
#include "apps/report/run_record.h"
#include "apps/report/slices.h"
#include "data/dataset.h"

namespace voxgrad::apps {

struct ShownCase {
  std::string kind;         // "worst", "median", "best", or "only" if there is a single case
  std::string caption;      // the case and its Dice, overall and per class
  std::vector<Tile> tiles;  // image, truth, prediction
};

struct RunPictures {
  std::string split;                      // "validation", "test" or "training": what the cases are from
  std::int64_t looked_at = 0, cases = 0;  // how many cases were segmented, of how many
  std::vector<ShownCase> shown;
  bool ignored = false;  // whether a truth has voxels that count for nothing
  std::string note;      // why there are no pictures, or why they are small; empty: nothing to say
};

// Takes the validation cases by which the clean-up was chosen or, without a choice, segments at most 24 cases with the
// best weights of the run. Writes OVERLAYS/*.png in its directory and returns the same pictures, which are made smaller
// where a page would become too large with them. Throws Error(io) if a picture cannot be written.
RunPictures draw_run(const RunRecord& run, const std::vector<Colour>& colours, const data::Dataset& dataset,
                     Device device);

}  // namespace voxgrad::apps

// What the checks of a dataset know about it. All of it is gathered in one pass with one case in memory, so that a
// check is a small function over numbers and costs next to nothing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/doctor/facts_borders.h"
#include "apps/doctor/finding.h"
#include "apps/training/plan.h"
#include "data/dataset.h"

namespace voxgrad::apps {

struct ChannelFacts {
  double least = 0, most = 0, deviation = 0;
  double trimmed = 0;         // the deviation without the 0.1 % of the values at either end
  std::int64_t distinct = 0;  // how many values there are; kManyValues stands for that and more
};
inline constexpr std::int64_t kManyValues = 16;

struct CaseFacts {
  std::int64_t index = 0;
  std::string split;  // "train", "val", "test", in a file with folds alone "fold_2", or empty
  std::vector<ChannelFacts> channels;
  std::vector<std::pair<std::int64_t, std::int64_t>> equal_channels;
  std::uint64_t image_hash = 0, label_hash = 0;
  // Means over the cells of a grid of 32 x 32 or 16 x 16 x 16, of all channels together. Cases of any size have it.
  std::vector<float> thumbnail;
  // Of the label. Counts are per value, after the label map.
  std::int64_t voxels = 0, ignored = 0, foreground = 0;
  std::int64_t label_values = 0;  // how many different values are stored
  std::vector<std::int64_t> class_voxels;
  std::vector<std::int64_t> largest_object;  // per class in voxels; -1: nobody counted
  double rim_foreground = 0;                 // the share of the foreground in the outermost voxels
  Shape foreground_box;                      // extents of the box around the foreground; no axes if there is none
  bool constant() const;                     // whether every channel has a single value
};

struct Facts {
  data::DatasetInfo info;
  Split split;
  bool has_splits = false;       // false: the file has folds alone, and no train, val and test
  std::string loss;              // may be empty
  std::vector<CaseFacts> cases;  // those that could be read
  std::vector<Move> moves;
  std::array<std::int64_t, 3> stride{1, 1, 1};  // of the shifts among them, in voxels
  std::vector<BorderScores> borders;            // of at most 48 cases, evenly spread
  std::vector<Finding> refusals;                // what the reader said
  // Whether all labels are classes. If not, this says why, and nothing that follows from labels is known.
  bool labels = false;
  std::string label_problem, label_remedy;
  // Draws the mask of a case over its image, and beside it the mask after the move if there is one, and returns the
  // name of the file. Empty if no pictures are wanted.
  std::function<std::string(const std::string& name, std::int64_t index, const Move& move)> draw;

  std::string name_of(std::int64_t index) const;  // `case 17 ("img_017")`
};

struct DataQuestion {
  std::string path, label_map, loss;
  std::string pictures;  // a folder for pictures; empty: none are drawn
};

// Throws as Dataset::open does. `progress` receives the share that is done.
Facts gather_facts(const DataQuestion& question, const std::function<void(double)>& progress);

}  // namespace voxgrad::apps

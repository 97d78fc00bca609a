// What the values in the masks of a folder mean. All masks are counted first; then either the values are classes as
// they stand, or the source or the caller says what they mean, or they are refused with a name for what they look like.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/exchange/source.h"

namespace voxgrad::data {

// What the caller says about the values. At most one of map, colours, threshold and instances.
struct LabelWishes {
  std::map<int, int> map;  // value -> class; with `map_of_colours` from 0xRRGGBB
  bool map_of_colours = false;
  bool colours = false;                  // every colour that occurs is a class
  std::optional<int> threshold;          // values above it are class 1
  bool instances = false;                // all values but 0 are objects of class 1
  bool border = false;                   // with instances: where objects touch is class 2
  std::vector<std::string> class_names;  // the background first
};

// Counts the values of masks, one after the other.
class LabelSurvey {
 public:
  struct Count {
    std::int64_t voxels = 0;
    std::int64_t runs = 0;  // along the last axis; few for areas, many for noise
    std::string first;      // the id of the first case that has the value
  };
  using Counts = std::map<std::int32_t, Count>;

  void add(const SourceLabel& label, const Shape& extents, const std::string& id);
  // By value; by colour if one of the masks has colours, and grey values and the indices of palettes are colours then
  // too. Error(data) for a value that is no colour then.
  Counts counts() const;
  bool colours() const { return colours_; }
  // The colours of the indices that occur, of all palettes, each with the first case that has it. `indexed` is true if
  // every mask has a palette.
  const std::map<std::int32_t, std::map<Colour, std::string>>& palette() const { return palette_; }
  bool indexed() const { return masks_ > 0 && indexed_ == masks_; }
  bool complete() const { return complete_; }  // false: there are more values than are counted

 private:
  void count(Counts& counts, std::int32_t value, std::int64_t voxels, const std::string& id);

  // The values of masks without a palette, those of masks with one, and the colours of these and of coloured masks.
  Counts grey_, indices_, coloured_;
  bool colours_ = false, complete_ = true;
  std::map<std::int32_t, std::map<Colour, std::string>> palette_;
  std::int64_t masks_ = 0, indexed_ = 0;
};

// What becomes of the values.
struct LabelDecision {
  // Value or colour -> class; empty: see threshold, else values are classes. With instances it has the values that are
  // unknown, and all others but 0 are objects.
  std::map<int, int> map;
  std::optional<int> threshold;
  bool instances = false, border = false, colours = false;
  int ignore_label = -1;
  std::vector<std::string> class_names;
  std::vector<Colour> class_colours;  // of colour masks and of palettes
  // What is stored with the dataset, so that masks can be written as they were: values 0..65535, with that of the
  // ignore label. Empty if class numbers are written.
  std::map<int, int> source_label_map;
  std::vector<std::string> notes;
};
// Error(data) that says what the values look like and what to do, if nobody says what they mean.
LabelDecision decide_labels(const LabelSurvey& survey, const Discovery& source, const LabelWishes& wishes);
// The classes of a mask, u8 [*S].
Tensor classes_of(const SourceLabel& label, const Shape& extents, const LabelDecision& decision);

}  // namespace voxgrad::data

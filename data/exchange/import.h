// Makes a dataset of files and folders. All cases are looked at first, one at a time, to decide once for all of them:
// channels, type, unit, and what the values in the masks mean. Then they are read again and written.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/exchange/label_values.h"
#include "data/exchange/source.h"

namespace voxgrad::data {

struct ImportOptions {
  DiscoverOptions discover;
  LabelWishes labels;
  std::vector<double> spacing;                    // millimetres per axis, (z,) y, x; empty: as the files say
  std::map<std::string, std::string> attributes;  // win over those of the source: license, modality
  bool dry_run = false;                           // decide, but write nothing
  std::function<void(std::int64_t done, std::int64_t all)> progress;  // after each case of either pass
};

struct ImportReport {
  std::int64_t cases = 0, channels = 0, groups = 0;
  int dims = 2;
  h5::Element element = h5::Element::f32;  // in which images are stored
  Shape smallest, largest;                 // the extents of the cases along each axis
  std::vector<double> spacing;             // of the first case
  bool physical = true, labelled = true;
  std::vector<std::string> class_names;
  std::map<std::string, std::int64_t> splits;  // number of cases
  std::map<int, int> source_label_map;
  std::vector<std::string> notes;  // what was decided, one sentence each; stored in the dataset's attribute `import`
};

// Writes the file `out`, which must be none of the source: Error(usage), before the cases are read. Error(data) if the
// source is not clear: the message names the file, the hint the option that makes it clear. Error(io) for what cannot
// be read or written. One case is in memory at a time, and what KeepTiffs keeps.
ImportReport import_dataset(const std::vector<std::string>& paths, const std::string& out,
                            const ImportOptions& options = {});

}  // namespace voxgrad::data

// A segmentation dataset: an HDF5 file in format 1 (design: README.md of this folder), read case by case.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::data {

struct Case {
  std::string id;
  std::string group;            // patient; empty if the file has none
  Tensor image;                 // f32 [*S, C], values as stored
  Tensor label;                 // u8 [*S]
  std::vector<double> spacing;  // millimetres per spatial axis
};

struct DatasetInfo {
  std::string path;
  std::string name;  // the file's stem
  int dims = 2;      // spatial axes
  std::int64_t channels = 1;
  std::vector<std::string> class_names;  // [0] is the background
  int ignore_label = -1;                 // of an opened file: its own, else 255, which the format sets aside
  std::uint32_t images_crc32 = 0, labels_crc32 = 0;  // of all cases in order; 0 if the file has none
  std::vector<std::string> case_ids;
  std::vector<std::string> groups;  // empty or one per case
  std::vector<Shape> shapes;        // spatial shape per case
  std::vector<std::vector<double>> spacings;
  std::map<std::string, std::vector<std::int64_t>> splits;  // "train", "val", "test", "fold_0/train", ..
  std::map<std::string, std::string> attributes;            // license, source, citation, modality
};

struct DatasetOptions {
  std::map<int, int> label_map;  // --label-map 0:0,255:1; empty: labels as stored. Else every value must be in it.
  bool verify = true;            // the first read() checks all cases, see verify()
};

class Dataset {
 public:
  // Reads what the file says about its cases, not yet the cases: milliseconds for any size. Error(io) if the file
  // cannot be opened, Error(data) that names the object if it is not what it should be.
  static Dataset open(const std::string& path, const DatasetOptions& options = {});
  const DatasetInfo& info() const;
  std::int64_t size() const;
  std::int64_t classes() const;
  // Error(data) with the case, the value and the remedy for a label out of range or NaN in an image. Thread-safe.
  Case read(std::int64_t index) const;
  // One pass over all cases, in bounded memory: crc32 of the arrays, label values, finite images. Done once; the first
  // read() does it unless DatasetOptions::verify is off, so that no training starts on damaged data.
  void verify() const;
  // Indices of a split of the file; "all" is every case. If the file has no splits, a seeded 70/15/15 split that never
  // splits a group. Error(usage) for a name that is not there.
  std::vector<std::int64_t> split(const std::string& name) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Indices of fold `fold` of `folds`, training and held-out, by a seeded shuffle of groups (or cases). Error(usage) if
// there are fewer groups than folds.
struct Fold {
  std::vector<std::int64_t> train, val;
};
Fold make_fold(const DatasetInfo& info, const std::vector<std::int64_t>& cases, int folds, int fold,
               std::uint64_t seed);

// What the writer takes; cases of one shape and spacing are written as one array, others as /cases/<id>/.
struct DatasetContents {
  std::vector<std::string> class_names;
  std::map<std::string, std::string> attributes;
  std::vector<Case> cases;
  std::map<std::string, std::vector<std::int64_t>> splits;
  int ignore_label = -1;
  DType image_dtype = DType::f32;  // u8 and f32 are written; values must fit
};
// Deterministic bytes for equal contents. Written to a temporary name, then renamed. Error(data) for values that do not
// fit or splits that overlap, Error(io) if it cannot be written: then there is no file, or the one from before.
void write_dataset(const std::string& path, const DatasetContents& contents);

}  // namespace voxgrad::data

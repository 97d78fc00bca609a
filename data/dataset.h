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
  int ignore_label = -1;
  std::uint32_t images_crc32 = 0, labels_crc32 = 0;
  std::vector<std::string> case_ids;
  std::vector<std::string> groups;  // empty or one per case
  std::vector<Shape> shapes;        // spatial shape per case
  std::vector<std::vector<double>> spacings;
  std::map<std::string, std::vector<std::int64_t>> splits;  // "train", "val", "test", "fold_0/train", ..
  std::map<std::string, std::string> attributes;            // license, source, citation, modality
};

struct DatasetOptions {
  std::map<int, int> label_map;  // --label-map 0:0,255:1; empty: labels as stored
  bool verify = true;            // crc32 of the arrays
};

class Dataset {
 public:
  // Error(io) if the file cannot be opened, Error(data) that names the object if it is not what it should be.
  static Dataset open(const std::string& path, const DatasetOptions& options = {});
  const DatasetInfo& info() const;
  std::int64_t size() const;
  std::int64_t classes() const;
  // Error(data) with the case, the value and the remedy for a label out of range or NaN in an image. Thread-safe.
  Case read(std::int64_t index) const;
  // Indices of a split of the file; if the file has none, a seeded 70/15/15 split that never splits a group.
  std::vector<std::int64_t> split(const std::string& name) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Indices of fold `fold` of `folds`, training and held-out, by a seeded shuffle of groups (or cases).
struct Fold {
  std::vector<std::int64_t> train, val;
};
Fold make_fold(const DatasetInfo& info, const std::vector<std::int64_t>& cases, int folds, int fold,
               std::uint64_t seed);

// What the writer takes; cases of one shape are written as one array.
struct DatasetContents {
  std::vector<std::string> class_names;
  std::map<std::string, std::string> attributes;
  std::vector<Case> cases;
  std::map<std::string, std::vector<std::int64_t>> splits;
  int ignore_label = -1;
  DType image_dtype = DType::f32;  // u8 and f32 are written; values must fit
};
// Deterministic bytes for equal contents. Written to a temporary name, then renamed.
void write_dataset(const std::string& path, const DatasetContents& contents);

}  // namespace voxgrad::data

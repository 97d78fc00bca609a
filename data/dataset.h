// A dataset for segmentation: an HDF5 file in format 1 (described in data/README.md) that is read case by case.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/formats/image.h"
#include "engine/tensor.h"

namespace voxgrad::data {

struct Case {
  std::string id;
  std::string group;            // the patient, for instance; empty if the file has no groups
  Tensor image;                 // f32 [*S, C], the values as they are stored
  Tensor label;                 // u8 [*S]; undefined if the dataset has no labels
  Tensor probabilities;         // f32 [*S, K] of the K classes; undefined unless read() was asked for them
  std::vector<double> spacing;  // millimetres (DatasetInfo::physical) or pixels per voxel, for each spatial axis
  // Where the volume lies, if the file says so. Image, label and spacing have been turned to RAS then (data/space.h);
  // `orientation` is that of the arrays in the dataset file.
  std::optional<Affine> affine;
  std::string orientation;
  Origin origin;  // the file that the case was imported from
};

struct DatasetInfo {
  std::string path;
  std::string name;  // the file's name without folder and ending
  int dims = 2;      // number of spatial axes, 2 or 3
  std::int64_t channels = 1;
  std::vector<std::string> class_names;  // [0] is the background
  // Voxels with this label count for nothing. A file that names none has 255; -1 is only met before it is written.
  int ignore_label = -1;
  // Over all cases in order; 0 if the file has none.
  std::uint32_t images_crc32 = 0, labels_crc32 = 0, probabilities_crc32 = 0;
  std::vector<std::string> case_ids;
  std::vector<std::string> groups;  // one per case, or empty
  std::vector<Shape> shapes;        // [*S] of each case, as read() returns it
  std::vector<std::vector<double>> spacings;
  std::vector<std::string> orientations;  // one per case, Case::orientation; empty: the file says nothing
  // One array /images and one /labels for all cases, which have no place and no source; else /cases/<id>/image and
  // label.
  bool stacked = true;
  bool labelled = true;        // whether the cases have labels
  bool probabilities = false;  // whether they have probabilities of the classes, too
  bool physical = true;        // whether spacings are millimetres; false: pixels
  // What the importer made of the values in the source's masks: value -> class. Empty: they were classes already.
  std::map<int, int> source_label_map;
  std::vector<Colour> class_colours;                        // of the source's masks, one per class, or empty
  std::map<std::string, std::vector<std::int64_t>> splits;  // "train", "val", "test", "fold_0/train", ..
  std::map<std::string, std::string> attributes;            // license, source, citation, modality
};

struct DatasetOptions {
  // From the stored value to the class, {{0, 0}, {255, 1}} for instance. If it is empty, labels stay as they are
  // stored; if not, every value that occurs must be in it.
  std::map<int, int> label_map;
  bool verify = true;  // whether the first read() calls verify()
  bool labels = true;  // false: labels are neither checked nor read; Case::label is undefined
  // Labels are returned as they are stored, whatever their values, for those who look for what is wrong with them.
  bool stored_labels = false;
};

class Dataset {
 public:
  // Reads what the file says about its cases, but not the cases, so it takes milliseconds for any size. Throws
  // Error(io) if the file cannot be opened, and Error(data) that names the object if one is not as format 1 demands.
  static Dataset open(const std::string& path, const DatasetOptions& options = {});
  const DatasetInfo& info() const;
  std::int64_t size() const;
  std::int64_t classes() const;
  // Throws Error(data) that names the case, the value and the remedy if a label is out of range or a value of the image
  // is not finite. Several threads may call it at the same time. With `probabilities`, which DatasetInfo must have, the
  // case has them: they add up to 1 at every voxel, and are 0 where the label is ignored.
  Case read(std::int64_t index, bool probabilities = false) const;
  // Returns Case::label alone, as read() does.
  Tensor read_label(std::int64_t index) const;
  // Checks all cases in one pass and in bounded memory: the crc32 of the arrays, the label values, the probabilities,
  // and that images are finite. Further calls do nothing. The first read() calls it unless DatasetOptions::verify is
  // false, so that no training starts on damaged data.
  void verify() const;
  // Returns the indices of the cases of a split, by the rules of data/splits.h.
  std::vector<std::int64_t> split(const std::string& name) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// Throws Error(data) if the dataset has no labels: "new.h5: has no labels, training needs them".
void require_labels(const Dataset& dataset, const std::string& purpose);

}  // namespace voxgrad::data

// Writes a dataset of format 1, the same bytes for the same contents.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace voxgrad::data {

// Cases of one shape and one spacing, without an affine and an origin, are stored as one array, others as /cases/<id>/.
struct DatasetContents {
  std::vector<std::string> class_names;
  std::map<std::string, std::string> attributes;
  std::vector<Case> cases;
  std::map<std::string, std::vector<std::int64_t>> splits;
  int ignore_label = -1;           // -1: the file names none
  DType image_dtype = DType::f32;  // f32, or u8 if every value is a whole number in 0..255
};

// Writes under a temporary name and then renames. Throws Error(data) for values that do not fit or for splits that
// overlap, and Error(io) if the file cannot be written. After an error there is no file, or the one from before.
void write_dataset(const std::string& path, const DatasetContents& contents);

// Writes a dataset case by case, so that one is in memory at a time. Cases are stored as /cases/<id>/ and go straight
// to a temporary file; save() gives it its name. Without save() nothing remains.
class DatasetWriter {
 public:
  struct Header {
    std::vector<std::string> class_names{};  // may be empty without labels
    std::map<std::string, std::string> attributes{};
    int ignore_label = -1;  // -1: the file names none
    bool physical = true;   // whether spacings are millimetres
    std::map<int, int> source_label_map{};
    std::vector<Colour> class_colours{};
  };
  DatasetWriter(const std::string& path, const Header& header);
  ~DatasetWriter();
  // `element` is the type in which the image is stored: u8, i16, u16 or f32. With a label or without, as the first
  // case. If the case has an affine, its arrays are in the order that Case describes (RAS). Error(data) for what the
  // reader would refuse, Error(io) if the disk is full.
  void add(const Case& one, h5::Element element);
  // `splits` as in DatasetInfo. Groups are those of the cases.
  void save(const std::map<std::string, std::vector<std::int64_t>>& splits = {});

 private:
  friend void write_dataset(const std::string& path, const DatasetContents& contents);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace voxgrad::data

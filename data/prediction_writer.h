// Writes predictions as HDF5, one case after the other and straight to the disk, so that a file may be larger than the
// memory. The layout is that of a dataset without its images (data/README.md):
//   /labels [N, *S] u8 and /case_ids or, if the dataset has its cases so, /cases/<id>/label [*S]
//   /probabilities or /cases/<id>/probabilities: f32 with one more axis for the classes, if they were asked for
// Arrays are in the order of the axes of the dataset that the cases came from, and cases keep their affine and source.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5_writer.h"

namespace voxgrad::data {

enum class ScoresFile { none, probabilities, logits };

struct PredictionHeader {
  std::vector<std::string> class_names;
  int ignore_label = -1;      // -1: none
  std::string model, source;  // the paths of their files, for the reader; of several models all, separated by commas
  bool physical = true;
  MaskStyle style;
  // With logits the file is what `Loss` is evaluated on: /logits, and as /labels the true labels of the cases.
  ScoresFile scores = ScoresFile::none;
};

class PredictionWriter {
 public:
  // With `stacked` [N, *S] all cases have this shape and one spacing, and are written as one array.
  PredictionWriter(const std::string& path, const PredictionHeader& header, const Shape& stacked = {});
  // Begins a case. Its image may be undefined; `extents` are those of its label, *S.
  void begin(const Case& one, const Shape& extents);
  // Adds rows row .. of the scores f32 [rows, *S', C] of this case, in order (nn::SlabSink).
  void scores(std::int64_t row, const Tensor& slab);
  void labels(const Tensor& labels);  // u8 [*S]; ends the case
  void save();

 private:
  void create(const Shape& extents, int dims);
  void put(const std::string& array, h5::Element element, Shape start, const Tensor& values);
  std::string name(const char* part) const { return folder_ + part; }

  PredictionHeader header_;
  h5::Writer out_;
  bool stacked_;
  std::int64_t cases_ = 0;
  std::vector<std::string> ids_;
  std::string folder_;  // "/" or "/cases/<id>/"
  Turn back_;           // from RAS to the order of the dataset
  Tensor whole_;        // scores that must be turned before they are written
  // Scores of the rows of a chunk that is not complete yet. It is compressed once, however few rows come at a time.
  Tensor rows_;
  std::int64_t chunk_ = 1, height_ = 0;  // rows of a chunk, and of the case
};

}  // namespace voxgrad::data

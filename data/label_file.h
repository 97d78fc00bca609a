// Files of labels: what `predict` writes and `metrics` compares. A dataset is one too; images are not looked at.
//   /labels [N, *S] u8 and /case_ids, or, for cases of different size, /cases/<id>/label
//   beside each: probabilities f32 [.., C], if they were asked for; attributes class_names, ignore_label, model,
//   source, and spacing of the labels
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/h5/h5.h"
#include "data/h5/h5_writer.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// A box of an array of whole numbers as labels u8, with the shape `count` (a leading 1 is dropped if `one_case`).
// Error(data) for another element type or a value outside 0..255.
Tensor read_labels(const h5::Array& array, const h5::Extents& start, const h5::Extents& count, bool one_case);

class LabelFile {
 public:
  // Error(io), or Error(data) that names what is missing.
  explicit LabelFile(const std::string& path);
  const std::string& path() const { return file_.path(); }
  const std::vector<std::string>& case_ids() const { return case_ids_; }  // "0", "1", .. if the file has none
  bool has_case_ids() const { return has_case_ids_; }
  const std::vector<std::string>& class_names() const { return class_names_; }  // empty if the file has none
  int ignore_label() const { return ignore_label_; }                            // -1: none
  Tensor read(std::size_t index) const;                                         // u8 [*S]
  // Per axis in mm, from an attribute `spacing` of the labels, the case, its image or the file; empty if there is none.
  // Error(data) unless it is one positive number for each of the `dims` axes.
  std::vector<double> spacing(std::size_t index, int dims) const;

 private:
  h5::File file_;
  bool stacked_;
  h5::Array labels_;  // if stacked
  std::vector<std::string> case_ids_, class_names_;
  bool has_case_ids_ = false;
  int ignore_label_ = -1;
};

// Writes predictions for some cases of a dataset, one after the other. The file appears as a whole with save().
class PredictionWriter {
 public:
  PredictionWriter(const Dataset& dataset, const std::vector<std::int64_t>& cases, bool probabilities,
                   const std::string& model);
  // Of case number `position` of `cases`; probabilities f32 [*S, C] if they were asked for.
  void add(std::size_t position, const Tensor& labels, const Tensor& probabilities);
  void save(const std::string& path) { writer_.save(path); }

 private:
  void create(const std::string& folder, const char* labels, const char* probabilities, h5::Extents extents);
  std::string case_group(std::size_t position) const;
  h5::Writer writer_;
  const DatasetInfo info_;
  std::vector<std::int64_t> cases_;
  bool probabilities_, stacked_;
};

}  // namespace voxgrad::data

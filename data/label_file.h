// Files of labels: predictions, and references to compare them with. A dataset is a file of labels too; its images are
// not read.
//   /labels [N, *S] u8 and /case_ids or, for cases of different size, /cases/<id>/label [*S]
//   /probabilities or /cases/<id>/probabilities: f32 with one more axis for the classes, if they were asked for
//   attributes: class_names, ignore_label, model and source of the file, spacing of the labels
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Reads an array of whole numbers as labels u8. Throws Error(data) for another element type or a value outside 0..255.
Tensor read_labels(const h5::Array& array);

// Returns the attribute `ignore_label`, or -1 if there is none. Throws Error(data) if it is outside 0..255.
int ignore_label_of(const h5::Object& object);

class LabelFile {
 public:
  // Throws Error(io) if the file cannot be opened, Error(data) that names what is missing in it.
  explicit LabelFile(const std::string& path);
  const std::string& path() const { return file_.path(); }
  const std::vector<std::string>& case_ids() const { return case_ids_; }  // "0", "1", .. if the file has none
  bool has_case_ids() const { return has_case_ids_; }
  const std::vector<std::string>& class_names() const { return class_names_; }  // empty if the file has none
  int ignore_label() const { return ignore_label_; }                            // -1: none
  Tensor read(std::size_t index) const;                                         // u8 [*S]
  // Returns the spacing per axis in millimetres: the attribute `spacing` of the labels, else that of the case, of its
  // image or of the file, and nothing if there is none. Throws Error(data) unless it is one positive number for each of
  // the `dims` axes.
  std::vector<double> spacing(std::size_t index, int dims) const;

  // What is needed to write a case as an image again (data/exchange/output.h).
  bool physical() const { return physical_; }        // whether spacings are millimetres
  const MaskStyle& style() const { return style_; }  // values and colours of the source's masks
  Shape extents(std::size_t index) const;            // *S, as read() returns it
  // The case without image and label. Spacing and affine are those after a turn to RAS.
  Case place(std::size_t index) const;
  bool has_probabilities() const;
  Tensor read_probabilities(std::size_t index) const;  // f32 [*S, C]

 private:
  h5::Array array(std::size_t index, const char* stacked, const char* single) const;
  h5::File file_;
  bool stacked_;
  h5::Array labels_;  // only if stacked
  std::vector<std::string> case_ids_, class_names_;
  bool has_case_ids_ = false;
  int ignore_label_ = -1;
  bool physical_ = true;
  MaskStyle style_;
};

}  // namespace voxgrad::data

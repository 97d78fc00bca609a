// Files of labels: predictions, and references to compare them with. A dataset is a file of labels too; its images are
// not read.
//   /labels [N, *S] and /case_ids or, for cases of different size, /cases/<id>/label [*S]: whole numbers, truth values,
//   or floating-point numbers near to whole ones
//   /probabilities or /cases/<id>/probabilities: f32 with one more axis for the classes, if they were asked for
//   attributes: class_names, ignore_label, model and source of the file, axes and spacing of the labels
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/exchange/output.h"
#include "data/h5/h5.h"
#include "data/label_reader.h"
#include "engine/tensor.h"

namespace voxgrad::data {

// Reads a whole array of whole numbers as u8. Floating-point numbers less than 0.05 away from a whole one are rounded:
// scaling and resampling programs leave such. Throws Error(data) for others, for texts and for values outside 0..255.
Tensor read_labels(const h5::Array& array);

// Returns the attribute `ignore_label`, or -1 if there is none. Throws Error(data) if it is outside 0..255.
int ignore_label_of(const h5::Object& object);

struct LabelFileOptions {
  // From the stored value to the class, as in DatasetOptions.
  std::map<int, int> label_map{};
  // The classes of a file that does not name its own. If neither does, there are as many as its labels need.
  std::vector<std::string> class_names{};
  // How messages call the file, if it stands for another. Empty: by its own path.
  std::string called{};
};

class LabelFile {
 public:
  // Throws Error(io) if the file cannot be opened, Error(data) that names what is missing in it or cannot be meant:
  // axes, case ids that are there twice, class names, a type that has no labels.
  explicit LabelFile(const std::string& path, const LabelFileOptions& options = {});
  const std::string& path() const { return path_; }
  const std::vector<std::string>& case_ids() const { return case_ids_; }  // "0", "1", .. if the file has none
  bool has_case_ids() const { return has_case_ids_; }
  const std::vector<std::string>& class_names() const { return class_names_; }  // empty if nobody names them
  std::int64_t classes() const;                       // at least 2; reads all labels if nobody names the classes
  int ignore_label() const { return ignore_label_; }  // -1: none
  // Checks the labels of all cases as Dataset::verify() does and throws Error(data) in the same words. The first read()
  // calls it.
  void verify() const;
  // Returns u8 [*S], turned to RAS if the file has an affine for the case.
  Tensor read(std::size_t index) const;
  // Returns the spacing per axis of what read() returns, in millimetres or, if physical() is false, pixels: the
  // attribute `spacing` of the labels, else that of the case, of its image or of the file, and nothing if there is
  // none. Throws Error(data) unless it is one positive number for each axis.
  std::vector<double> spacing(std::size_t index) const;

  // What is needed to write a case as an image again (data/exchange/output.h).
  bool physical() const { return physical_; }        // whether spacings are millimetres
  const MaskStyle& style() const { return style_; }  // values and colours of the source's masks
  Shape extents(std::size_t index) const;            // *S, as read() returns it
  // The case without image and label. Spacing and affine are those after a turn to RAS.
  Case place(std::size_t index) const;
  bool has_probabilities() const;
  Tensor read_probabilities(std::size_t index) const;  // f32 [*S, C], turned as read() does

 private:
  h5::Array array(std::size_t index, const char* stacked, const char* single) const;
  Shape stored_extents(std::size_t index) const;
  std::vector<double> stored_spacing(std::size_t index) const;
  Case find_place(std::size_t index, Turn& turn) const;
  void read_root(const LabelFileOptions& options);
  void read_case_ids();
  LabelReader::Source source() const;
  int ignored() const { return ignore_label_ < 0 ? kIgnoreDefault : ignore_label_; }

  h5::File file_;
  std::string path_;
  bool stacked_;
  h5::Array labels_;  // only if stacked
  std::vector<std::string> case_ids_, class_names_;
  std::map<int, int> label_map_;
  bool has_case_ids_ = false;
  int ignore_label_ = -1;
  bool physical_ = true;
  MaskStyle style_;
  mutable std::shared_ptr<const LabelReader> reader_;  // made by the first read(), which verifies
};

}  // namespace voxgrad::data

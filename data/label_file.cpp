#include "data/label_file.h"

#include <algorithm>
#include <cmath>

#include "data/attributes.h"
#include "data/place.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

using h5::Element;

// Reads a box of an array as labels of this shape.
Tensor read_box(const h5::Array& array, const Shape& start, const Shape& count, const Shape& shape) {
  const Element element = array.element();
  if (element == Element::f32 || element == Element::f64 || element == Element::string || element == Element::other)
    throw Error(ErrorKind::data, array.where() + ": labels are whole numbers, this is " + h5::name_of(element));
  const Tensor labels = empty(shape, DType::u8);
  std::uint8_t* to = labels.data<std::uint8_t>();
  if (element == Element::u8) {
    array.read(start, count, element, to);
    return labels;
  }
  std::vector<std::int64_t> values(static_cast<std::size_t>(labels.numel()));
  array.read(start, count, Element::i64, values.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] > 255)
      throw Error(ErrorKind::data, text(array.where(), ": label ", values[i], " outside 0..255"));
    to[i] = static_cast<std::uint8_t>(values[i]);
  }
  return labels;
}

}  // namespace

Tensor read_labels(const h5::Array& array) {
  return read_box(array, Shape::filled(array.extents().dims(), 0), array.extents(), array.extents());
}

int ignore_label_of(const h5::Object& object) {
  if (!object.has_attribute("ignore_label")) return -1;
  const std::int64_t label = object.integer_attribute("ignore_label");
  if (label < 0 || label > 255)
    throw Error(ErrorKind::data, text(object.where(), ": ignore_label is ", label, ", expected 0..255"));
  return static_cast<int>(label);
}

LabelFile::LabelFile(const std::string& path) : file_(h5::File::open(path)), stacked_(file_.exists("/labels")) {
  const h5::Group root = file_.group("/");
  if (root.has_attribute("class_names")) class_names_ = root.strings_attribute("class_names");
  ignore_label_ = ignore_label_of(root);
  if (root.has_attribute("format") && root.string_attribute("format") == "voxgrad-logits")
    throw Error(ErrorKind::data, path + ": its labels are the true ones, beside the logits of a model",
                "they say nothing about the model: predict without logits");
  physical_ = !root.has_attribute("spacing_unit") || root.string_attribute("spacing_unit") != kPixels;
  if (root.has_attribute("label_map"))
    style_.values =
        values_of_classes(label_map_of(root.string_attribute("label_map"), root.where()), std::ssize(class_names_));
  if (root.has_attribute("class_colours"))
    style_.colours = colours_of(root.string_attribute("class_colours"), root.where());
  has_case_ids_ = !stacked_ || file_.exists("/case_ids");
  if (!stacked_) {
    if (!file_.exists("/cases")) throw Error(ErrorKind::data, path + ": neither /labels nor /cases in it");
    case_ids_ = file_.exists("/case_ids") ? file_.array("/case_ids").read_strings() : file_.children("/cases");
    return;
  }
  labels_ = file_.array("/labels");
  if (labels_.extents().dims() < 2)
    throw Error(ErrorKind::data, labels_.where() + ": needs a case axis and spatial axes");
  const std::size_t count = static_cast<std::size_t>(labels_.extents()[0]);
  if (has_case_ids_) case_ids_ = file_.array("/case_ids").read_strings();
  if (has_case_ids_ && case_ids_.size() != count)
    throw Error(ErrorKind::data, text(path, ": ", case_ids_.size(), " case_ids for ", count, " labels"));
  for (std::size_t i = case_ids_.size(); i < count; ++i) case_ids_.push_back(std::to_string(i));
}

Tensor LabelFile::read(std::size_t index) const {
  if (!stacked_) return read_labels(file_.array("/cases/" + case_ids_[index] + "/label"));
  const Shape& all = labels_.extents();
  const Shape start = Shape::filled(all.dims(), 0).with(0, static_cast<std::int64_t>(index));
  return read_box(labels_, start, all.with(0, 1), Shape(std::span(all.begin() + 1, all.end())));
}

std::vector<double> LabelFile::spacing(std::size_t index, int dims) const {
  const std::string group = stacked_ ? "" : "/cases/" + case_ids_[index];
  for (const std::string& place : {group + (stacked_ ? "/labels" : "/label"), group,
                                   group + (stacked_ ? "/images" : "/image"), std::string("/")}) {
    if (place.empty() || !file_.exists(place)) continue;
    const h5::Object object = file_.is_group(place) ? h5::Object(file_.group(place)) : file_.array(place);
    if (!object.has_attribute("spacing")) continue;
    const std::vector<double> spacing = object.numbers_attribute("spacing");
    const bool good = std::all_of(spacing.begin(), spacing.end(), [](double s) { return std::isfinite(s) && s > 0; });
    if (!good || std::ssize(spacing) != dims)
      throw Error(ErrorKind::data, text(object.where(), ": spacing must be ", dims, " positive numbers, one per axis"));
    return spacing;
  }
  return {};
}

h5::Array LabelFile::array(std::size_t index, const char* stacked, const char* single) const {
  return file_.array(stacked_ ? stacked : "/cases/" + case_ids_[index] + single);
}

Shape LabelFile::extents(std::size_t index) const {
  const Shape all = array(index, "/labels", "/label").extents();
  return stacked_ ? all.without(0) : all;
}

Case LabelFile::place(std::size_t index) const {
  const int dims = extents(index).dims();
  Case one;
  one.id = case_ids_[index];
  one.spacing = spacing(index, dims);
  if (one.spacing.empty()) one.spacing.assign(static_cast<std::size_t>(dims), 1.0);
  if (stacked_) return one;
  const std::string group = "/cases/" + one.id;
  one.origin = read_origin(file_, group);
  one.affine = read_affine(file_.group(group));
  if (!one.affine || dims != 3) return one;
  one.orientation = orientation_of(*one.affine);
  const Turn turn = turn_to_ras(one.orientation);
  one.affine = turn(*one.affine, extents(index));
  one.spacing = turn(one.spacing);
  return one;
}

bool LabelFile::has_probabilities() const {
  return !case_ids_.empty() &&
         file_.exists(stacked_ ? "/probabilities" : "/cases/" + case_ids_.front() + "/probabilities");
}

Tensor LabelFile::read_probabilities(std::size_t index) const {
  const h5::Array all = array(index, "/probabilities", "/probabilities");
  const int lead = stacked_ ? 1 : 0;
  Shape start = Shape::filled(all.extents().dims(), 0), count = all.extents();
  const Shape shape = stacked_ ? count.without(0) : count;
  if (shape.dims() != extents(index).dims() + 1 || shape.without(-1) != extents(index))
    throw Error(ErrorKind::data, text(all.where(), ": extents are ", count, ", the labels need ", extents(index),
                                      " and an axis of classes"));
  if (lead == 1) {
    start[0] = static_cast<std::int64_t>(index);
    count[0] = 1;
  }
  const Tensor result = empty(shape);
  all.read(start, count, Element::f32, result.data<float>());
  return result;
}

}  // namespace voxgrad::data

#include "data/label_file.h"

#include <algorithm>
#include <cmath>

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

PredictionWriter::PredictionWriter(const std::string& path, const Dataset& dataset,
                                   const std::vector<std::int64_t>& cases, bool probabilities, const std::string& model)
    : writer_(path), info_(dataset.info()), cases_(cases), probabilities_(probabilities) {
  check(!cases.empty(), "predictions: there are no cases");
  stacked_ = std::all_of(cases.begin(), cases.end(), [&](std::int64_t index) {
    return nth(info_.shapes, index) == nth(info_.shapes, cases.front()) &&
           nth(info_.spacings, index) == nth(info_.spacings, cases.front());
  });
  writer_.attribute("/", "format", std::string("voxgrad-prediction"));
  writer_.attribute("/", "format_version", std::int64_t{1});
  writer_.attribute("/", "class_names", info_.class_names);
  writer_.attribute("/", "ignore_label", static_cast<std::int64_t>(info_.ignore_label));
  writer_.attribute("/", "model", model);
  writer_.attribute("/", "source", info_.path);
  std::vector<std::string> ids;
  for (const std::int64_t index : cases) ids.push_back(nth(info_.case_ids, index));
  writer_.texts("/case_ids", ids);
  if (!stacked_) writer_.group("/cases");
  for (std::size_t position = 0; position < (stacked_ ? 1 : cases.size()); ++position) {
    const Shape& shape = nth(info_.shapes, cases[position]);
    const std::string folder = stacked_ ? "/" : case_group(position) + "/";
    if (!stacked_) writer_.group(case_group(position));
    create(folder, stacked_ ? "labels" : "label", "probabilities", stacked_ ? Shape{std::ssize(cases)} + shape : shape);
    writer_.attribute(folder + (stacked_ ? "labels" : "label"), "spacing", nth(info_.spacings, cases[position]));
  }
}

std::string PredictionWriter::case_group(std::size_t position) const {
  return "/cases/" + nth(info_.case_ids, cases_[position]);
}

void PredictionWriter::create(const std::string& folder, const char* labels, const char* probabilities,
                              const Shape& extents) {
  const std::string axes = std::string(stacked_ ? "N" : "") + (info_.dims == 3 ? "ZYX" : "YX");
  const auto create_array = [&](const std::string& name, Element element, const Shape& size) {
    writer_.create(name, element, size, h5::chunk_of(size, stacked_, info_.dims, element));
  };
  create_array(folder + labels, Element::u8, extents);
  writer_.attribute(folder + labels, "axes", axes);
  if (!probabilities_) return;
  create_array(folder + probabilities, Element::f32, extents + Shape{std::ssize(info_.class_names)});
  writer_.attribute(folder + probabilities, "axes", axes + "C");
}

void PredictionWriter::add(std::size_t position, const Tensor& labels, const Tensor& probabilities) {
  const auto put = [&](const std::string& name, const Tensor& values, Element element) {
    Shape start = Shape::filled(values.dims(), 0), count = values.shape();
    if (stacked_) {
      start = Shape{static_cast<std::int64_t>(position)} + start;
      count = Shape{1} + count;
    }
    writer_.write(name, start, count, element, values.raw());
  };
  const std::string folder = stacked_ ? "/" : case_group(position) + "/";
  put(folder + (stacked_ ? "labels" : "label"), labels, Element::u8);
  if (probabilities_) put(folder + "probabilities", probabilities, Element::f32);
}

}  // namespace voxgrad::data

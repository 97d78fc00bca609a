#include "data/label_file.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace voxgrad::data {
namespace {

using h5::Element;
using Sizes = h5::Extents;

Shape shape_of(const Sizes& extents, std::size_t first) {
  Shape shape;
  for (std::size_t axis = first; axis < extents.size(); ++axis) shape.push_back(extents[axis]);
  return shape;
}

}  // namespace

Tensor read_labels(const h5::Array& array, const Sizes& start, const Sizes& count, bool one_case) {
  const Element element = array.element();
  if (element == Element::f32 || element == Element::f64 || element == Element::string || element == Element::other)
    throw Error(ErrorKind::data, array.where() + ": labels are whole numbers, this is " + h5::name_of(element));
  const Tensor labels = empty(shape_of(count, one_case ? 1 : 0), DType::u8);
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

LabelFile::LabelFile(const std::string& path) : file_(h5::File::open(path)), stacked_(file_.exists("/labels")) {
  const h5::Group root = file_.group("/");
  if (root.has_attribute("class_names")) class_names_ = root.strings_attribute("class_names");
  if (root.has_attribute("ignore_label")) ignore_label_ = static_cast<int>(root.integer_attribute("ignore_label"));
  has_case_ids_ = !stacked_ || file_.exists("/case_ids");
  if (!stacked_) {
    if (!file_.exists("/cases")) throw Error(ErrorKind::data, path + ": neither /labels nor /cases in it");
    case_ids_ = file_.exists("/case_ids") ? file_.array("/case_ids").read_strings() : file_.children("/cases");
    return;
  }
  labels_ = file_.array("/labels");
  if (labels_.extents().size() < 2)
    throw Error(ErrorKind::data, labels_.where() + ": needs a case axis and spatial axes");
  const std::size_t count = static_cast<std::size_t>(labels_.extents()[0]);
  if (has_case_ids_) case_ids_ = file_.array("/case_ids").read_strings();
  if (has_case_ids_ && case_ids_.size() != count)
    throw Error(ErrorKind::data, text(path, ": ", case_ids_.size(), " case_ids for ", count, " labels"));
  for (std::size_t i = case_ids_.size(); i < count; ++i) case_ids_.push_back(std::to_string(i));
}

Tensor LabelFile::read(std::size_t index) const {
  if (!stacked_) {
    const h5::Array array = file_.array("/cases/" + case_ids_[index] + "/label");
    return read_labels(array, Sizes(array.extents().size(), 0), array.extents(), false);
  }
  Sizes start(labels_.extents().size(), 0), count = labels_.extents();
  start[0] = static_cast<std::int64_t>(index);
  count[0] = 1;
  return read_labels(labels_, start, count, true);
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
    if (!good || spacing.size() != static_cast<std::size_t>(dims))
      throw Error(ErrorKind::data, text(object.where(), ": spacing must be ", dims, " positive numbers, one per axis"));
    return spacing;
  }
  return {};
}

PredictionWriter::PredictionWriter(const Dataset& dataset, const std::vector<std::int64_t>& cases, bool probabilities,
                                   const std::string& model)
    : info_(dataset.info()), cases_(cases), probabilities_(probabilities) {
  const auto at = [](const auto& list, std::int64_t index) -> const auto& {
    return list[static_cast<std::size_t>(index)];
  };
  stacked_ = std::all_of(cases.begin(), cases.end(), [&](std::int64_t index) {
    return at(info_.shapes, index) == at(info_.shapes, cases.front()) &&
           at(info_.spacings, index) == at(info_.spacings, cases.front());
  });
  writer_.attribute("/", "format", std::string("voxgrad-prediction"));
  writer_.attribute("/", "format_version", std::int64_t{1});
  writer_.attribute("/", "class_names", info_.class_names);
  writer_.attribute("/", "ignore_label", static_cast<std::int64_t>(info_.ignore_label));
  writer_.attribute("/", "model", model);
  writer_.attribute("/", "source", info_.path);
  std::vector<std::string> ids;
  for (const std::int64_t index : cases) ids.push_back(at(info_.case_ids, index));
  writer_.texts("/case_ids", ids);
  if (!stacked_) writer_.group("/cases");
  for (std::size_t position = 0; position < (stacked_ ? 1 : cases.size()); ++position) {
    const Shape& shape = at(info_.shapes, cases[position]);
    Sizes extents(shape.begin(), shape.end());
    if (stacked_) extents.insert(extents.begin(), static_cast<std::int64_t>(cases.size()));
    const std::string folder = stacked_ ? "/" : case_group(position) + "/";
    if (!stacked_) writer_.group(case_group(position));
    create(folder, stacked_ ? "labels" : "label", "probabilities", extents);
    writer_.attribute(folder + (stacked_ ? "labels" : "label"), "spacing", at(info_.spacings, cases[position]));
  }
}

std::string PredictionWriter::case_group(std::size_t position) const {
  return "/cases/" + info_.case_ids[static_cast<std::size_t>(cases_[position])];
}

void PredictionWriter::create(const std::string& folder, const char* labels, const char* probabilities, Sizes extents) {
  const std::string axes = std::string(stacked_ ? "N" : "") + (info_.dims == 3 ? "ZYX" : "YX");
  Sizes chunk = extents;
  if (stacked_) chunk[0] = 1;
  writer_.create(folder + labels, Element::u8, extents, chunk);
  writer_.attribute(folder + labels, "axes", axes);
  if (!probabilities_) return;
  const std::int64_t classes = static_cast<std::int64_t>(info_.class_names.size());
  extents.push_back(classes);
  chunk.push_back(classes);
  writer_.create(folder + probabilities, Element::f32, extents, chunk);
  writer_.attribute(folder + probabilities, "axes", axes + "C");
}

void PredictionWriter::add(std::size_t position, const Tensor& labels, const Tensor& probabilities) {
  const auto put = [&](const std::string& name, const Tensor& values, Element element) {
    Sizes start(static_cast<std::size_t>(values.dims()), 0), count(values.shape().begin(), values.shape().end());
    if (stacked_) {
      start.insert(start.begin(), static_cast<std::int64_t>(position));
      count.insert(count.begin(), 1);
    }
    writer_.write(name, start, count, element, values.raw());
  };
  const std::string folder = stacked_ ? "/" : case_group(position) + "/";
  put(folder + (stacked_ ? "labels" : "label"), labels, Element::u8);
  if (probabilities_) put(folder + "probabilities", probabilities, Element::f32);
}

}  // namespace voxgrad::data

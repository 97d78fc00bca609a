#include "data/label_file.h"

#include <algorithm>

#include "data/attributes.h"
#include "data/consistent.h"
#include "data/format.h"
#include "data/label_reader.h"
#include "data/place.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

using h5::Element;

// Throws unless an array has the axes of labels. It may say nothing about them.
void require_axes(const h5::Array& array, bool stacked) {
  const std::string n = stacked ? "N" : "";
  const int dims = array.extents().dims() - (stacked ? 1 : 0);
  if (dims != 2 && dims != 3)
    fail_format(array.where(), text("extents are ", array.extents(), ", labels have the axes ", n, "YX or ", n, "ZYX"));
  if (array.extents().numel() == 0) fail_format(array.where(), text("is empty: extents ", array.extents()));
  if (!array.has_attribute("axes")) return;
  const std::string axes = array.string_attribute("axes"), expected = n + (dims == 2 ? "YX" : "ZYX");
  if (axes != expected)
    fail_format(array.where(), text("axes are \"", axes, "\", expected ", expected),
                "store the labels in this order of axes");
}

}  // namespace

int ignore_label_of(const h5::Object& object) {
  if (!object.has_attribute("ignore_label")) return -1;
  const std::int64_t label = object.integer_attribute("ignore_label");
  if (label < 0 || label > 255)
    throw Error(ErrorKind::data, text(object.where(), ": ignore_label is ", label, ", expected 0..255"));
  return static_cast<int>(label);
}

LabelFile::LabelFile(const std::string& path, const LabelFileOptions& options)
    : file_(h5::File::open(path)),
      path_(options.called.empty() ? path : options.called),
      stacked_(file_.exists("/labels")),
      label_map_(options.label_map) {
  read_root(options);
  if (file_.exists("/images") && !stacked_) throw Error(ErrorKind::data, path_ + ": has no labels");
  if (!stacked_ && !file_.exists("/cases")) throw Error(ErrorKind::data, path_ + ": neither /labels nor /cases in it");
  if (stacked_) {
    labels_ = file_.array("/labels");
    require_axes(labels_, true);
  }
  read_case_ids();
  if (!stacked_ && !case_ids_.empty() && !file_.exists("/cases/" + case_ids_.front() + "/label"))
    throw Error(ErrorKind::data, path_ + ": has no labels");
}

void LabelFile::read_root(const LabelFileOptions& options) {
  const h5::Group root = file_.group("/");
  if (root.has_attribute("format") && root.string_attribute("format") == "voxgrad-logits")
    throw Error(ErrorKind::data, path() + ": its labels are the true ones, beside the logits of a model",
                "they say nothing about the model: predict without logits");
  DatasetInfo info;
  info.labelled = false;  // names may be absent
  if (root.has_attribute("class_names")) info.class_names = root.strings_attribute("class_names");
  ignore_label_ = ignore_label_of(root);
  info.ignore_label = ignored();
  if (root.has_attribute("label_map"))
    info.source_label_map = label_map_of(root.string_attribute("label_map"), root.where());
  if (root.has_attribute("class_colours"))
    info.class_colours = colours_of(root.string_attribute("class_colours"), root.where());
  require_classes(info, root.where());
  physical_ = !root.has_attribute("spacing_unit") || root.string_attribute("spacing_unit") != kPixels;
  if (!info.source_label_map.empty())
    style_.values = values_of_classes(info.source_label_map, std::ssize(info.class_names));
  style_.colours = info.class_colours;
  style_.ignore = info.ignore_label >= 0 ? info.ignore_label : kIgnoreDefault;
  for (const auto& [value, label] : info.source_label_map)
    if (label == style_.ignore && label >= std::ssize(info.class_names) && style_.unknown < 0) style_.unknown = value;
  class_names_ = info.class_names.empty() ? options.class_names : info.class_names;
}

void LabelFile::read_case_ids() {
  has_case_ids_ = !stacked_ || file_.exists("/case_ids");
  if (file_.exists("/case_ids"))
    case_ids_ = file_.array("/case_ids").read_strings();
  else if (!stacked_)
    case_ids_ = file_.children("/cases");
  Names names("case id", file_.name());
  for (const std::string& id : case_ids_) names.add(id);
  if (!stacked_) return;
  const std::size_t count = static_cast<std::size_t>(labels_.extents()[0]);
  if (has_case_ids_ && case_ids_.size() != count)
    throw Error(ErrorKind::data, text(path(), ": ", case_ids_.size(), " case_ids for ", count, " labels"));
  if (!has_case_ids_ && labels_.extents()[0] > kMostSamples)
    fail_format(labels_.where(), text("has ", count, " samples without names, at most ", kMostSamples, " are read"),
                "name them in /case_ids");
  for (std::size_t i = case_ids_.size(); i < count; ++i) case_ids_.push_back(std::to_string(i));
}

LabelReader::Source LabelFile::source() const {
  const auto box = [file = file_, stacked = stacked_, labels = labels_, ids = case_ids_](std::int64_t index) {
    if (stacked) return one_case(labels, index);
    const h5::Array label = file.array("/cases/" + nth(ids, index) + "/label");
    require_axes(label, false);
    return whole_array(label);
  };
  return {case_ids_, box, stacked_, ignore_label_ >= 0};
}

std::int64_t LabelFile::classes() const {
  if (!class_names_.empty()) return std::ssize(class_names_);
  const int ignore = ignored();
  int largest = 1;
  for (const auto& [stored, label] : label_map_)
    if (label != ignore) largest = std::max(largest, label);
  if (!label_map_.empty()) return largest + 1;
  const LabelRule::Seen seen = LabelReader(source(), LabelRule(2, ignore)).values();
  for (int value = 0; value < 256; ++value)
    if (nth(seen, value) && value != ignore) largest = std::max(largest, value);
  return largest + 1;
}

void LabelFile::verify() const {
  if (reader_) return;
  const auto reader = std::make_shared<const LabelReader>(source(), LabelRule(classes(), ignored(), label_map_));
  reader->verify();
  reader_ = reader;
}

Tensor LabelFile::read(std::size_t index) const {
  verify();
  Turn turn;
  find_place(index, turn);
  return turn(reader_->read(static_cast<std::int64_t>(index), true));
}

std::vector<double> LabelFile::stored_spacing(std::size_t index) const {
  const int dims = stored_extents(index).dims();
  const std::string group = stacked_ ? "" : "/cases/" + case_ids_[index];
  for (const std::string& place : {group + (stacked_ ? "/labels" : "/label"), group,
                                   group + (stacked_ ? "/images" : "/image"), std::string("/")}) {
    if (place.empty() || !file_.exists(place)) continue;
    const h5::Object object = file_.is_group(place) ? h5::Object(file_.group(place)) : file_.array(place);
    if (!object.has_attribute("spacing")) continue;
    const std::vector<double> spacing = object.numbers_attribute("spacing");
    if (const std::string problem = spacing_problem(spacing, dims); !problem.empty())
      throw Error(ErrorKind::data, text(object.where(), ": ", problem));
    return spacing;
  }
  return {};
}

std::vector<double> LabelFile::spacing(std::size_t index) const {
  Turn turn;
  return find_place(index, turn).spacing;
}

h5::Array LabelFile::array(std::size_t index, const char* stacked, const char* single) const {
  return file_.array(stacked_ ? stacked : "/cases/" + case_ids_[index] + single);
}

Shape LabelFile::stored_extents(std::size_t index) const {
  const Shape all = array(index, "/labels", "/label").extents();
  return stacked_ ? all.without(0) : all;
}

Shape LabelFile::extents(std::size_t index) const {
  Turn turn;
  find_place(index, turn);
  return turn.is_identity() ? stored_extents(index) : turn(stored_extents(index));
}

// `turn` becomes the one to RAS. The spacing is empty if the file does not say it.
Case LabelFile::find_place(std::size_t index, Turn& turn) const {
  Case one;
  one.id = case_ids_[index];
  one.spacing = stored_spacing(index);
  if (stacked_) return one;
  const std::string group = "/cases/" + one.id;
  one.origin = read_origin(file_, group);
  one.affine = read_affine(file_.group(group));
  if (!one.affine) return one;
  const Shape extents = stored_extents(index);
  const std::vector<double> spacing = one.spacing.empty() ? spacing_of(*one.affine) : one.spacing;
  require_space({static_cast<std::int64_t>(index), one.id, file_.name()}, extents.dims(), spacing, one.affine);
  one.orientation = orientation_of(*one.affine);
  turn = turn_to_ras(one.orientation);
  one.affine = turn(*one.affine, extents);
  one.spacing = turn(spacing);
  return one;
}

Case LabelFile::place(std::size_t index) const {
  Turn turn;
  Case one = find_place(index, turn);
  if (one.spacing.empty()) one.spacing.assign(static_cast<std::size_t>(stored_extents(index).dims()), 1.0);
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
  if (shape.dims() < 2 || shape.without(-1) != stored_extents(index))
    throw Error(ErrorKind::data, text(all.where(), ": extents are ", count, ", the labels need ", stored_extents(index),
                                      " and an axis of classes"));
  if (lead == 1) {
    start[0] = static_cast<std::int64_t>(index);
    count[0] = 1;
  }
  const Tensor result = empty(shape);
  all.read(start, count, Element::f32, result.data<float>());
  Turn turn;
  find_place(index, turn);
  return turn(result);
}

}  // namespace voxgrad::data

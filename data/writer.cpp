#include "data/writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "data/attributes.h"
#include "data/consistent.h"
#include "data/format.h"
#include "data/h5/h5_writer.h"
#include "data/labels.h"
#include "data/place.h"
#include "data/probabilities.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

using h5::Element;

// The values of one array of one case as they are stored.
struct Values {
  Element element = Element::u8;
  const void* data = nullptr;
  std::size_t size = 0;
  std::vector<std::byte> bytes;  // what data points to, if the values had to be converted
};

template <class T>
void convert(std::span<const float> values, Values& result, const CaseName& name) {
  result.bytes.resize(values.size() * sizeof(T));
  std::byte* to = result.bytes.data();
  for (const float value : values) {
    if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max() || value != std::floor(value))
      fail_case("images", name, text("value ", value, " cannot be stored as ", name_of(result.element)),
                text("write f32, or round to ", +std::numeric_limits<T>::min(), "..", +std::numeric_limits<T>::max()));
    const T stored = static_cast<T>(value);
    std::memcpy(to, &stored, sizeof(T));
    to += sizeof(T);
  }
  result.data = result.bytes.data();
}

Values values_of_image(const Tensor& image, Element element, const CaseName& name) {
  const std::span<const float> values(image.data<float>(), static_cast<std::size_t>(image.numel()));
  for (const float value : values)
    if (!std::isfinite(value)) fail_case("images", name, text("value ", value, " is not a finite number"));
  Values result{element, values.data(), values.size() * size_of(element), {}};
  switch (element) {
    case Element::u8: convert<std::uint8_t>(values, result, name); break;
    case Element::i16: convert<std::int16_t>(values, result, name); break;
    case Element::u16: convert<std::uint16_t>(values, result, name); break;
    default: break;
  }
  return result;
}

Values values_of_label(const Tensor& label) { return {Element::u8, label.raw(), label.bytes(), {}}; }
Values values_of_probabilities(const Tensor& p) { return {Element::f32, p.raw(), p.bytes(), {}}; }

std::string axes_of(int dims, bool stacked, bool channels) {
  return std::string(stacked ? "N" : "") + (dims == 2 ? "YX" : "ZYX") + (channels ? "C" : "");
}

}  // namespace

// Writes one array /images and one /labels for all cases if it knows their number beforehand, else /cases/<id>/.
struct DatasetWriter::Impl {
  Impl(const std::string& file, const Header& header, std::int64_t stacked = 0);
  void add(const Case& one, Element element);
  void save(const std::map<std::string, std::vector<std::int64_t>>& splits);

  void write_root(const Header& header);
  void require_case(const Case& one, const CaseName& name);
  void create(const std::string& array, const Shape& extents, Element element);
  void create_stacked(const Case& first, Element element);
  void put(const std::string& array, const Shape& extents, const Values& values, std::uint32_t& crc);
  void finish(const std::string& array, bool channels, std::uint32_t crc);
  void put_splits();

  std::string path;
  std::int64_t stacked;  // the number of cases, or 0
  DatasetInfo info;
  LabelRule rule;
  LabelCheck check_labels;
  Names ids;
  std::uint32_t image_crc = 0, label_crc = 0, probabilities_crc = 0;
  h5::Writer out;
};

namespace {

DatasetInfo info_of(const DatasetWriter::Header& header, const std::string& path) {
  DatasetInfo info;
  info.class_names = header.class_names;
  info.ignore_label = header.ignore_label;
  info.source_label_map = header.source_label_map;
  info.class_colours = header.class_colours;
  info.labelled = !header.class_names.empty();  // until the first case says so
  require_classes(info, path);
  return info;
}

}  // namespace

DatasetWriter::Impl::Impl(const std::string& file, const Header& header, std::int64_t cases)
    : path(file),
      stacked(cases),
      info(info_of(header, file)),
      rule(std::ssize(info.class_names), info.ignore_label < 0 ? kIgnoreDefault : info.ignore_label),
      check_labels(rule, info.ignore_label >= 0),
      ids("case id", file),
      out(file) {
  write_root(header);
  if (stacked == 0) out.group("/cases");
}

void DatasetWriter::Impl::write_root(const Header& header) {
  out.attribute("/", "format", std::string(kFormatName));
  out.attribute("/", "format_version", kFormatVersion);
  if (!info.class_names.empty()) out.attribute("/", "class_names", info.class_names);
  if (info.ignore_label >= 0) out.attribute("/", "ignore_label", std::int64_t{info.ignore_label});
  if (!header.physical) out.attribute("/", "spacing_unit", std::string(kPixels));
  if (!info.source_label_map.empty()) out.attribute("/", "label_map", text_of(info.source_label_map));
  if (!info.class_colours.empty()) out.attribute("/", "class_colours", text_of(info.class_colours));
  for (const auto& [name, value] : header.attributes) {
    check(!is_own_attribute(name), "write_dataset: attribute \"", name, "\" is the format's own");
    out.attribute("/", name, value);
  }
}

// Throws before anything of the case is written.
void DatasetWriter::Impl::require_case(const Case& one, const CaseName& name) {
  const Shape space = one.image.shape().without(-1);
  if (name.index == 0) {
    info.dims = space.dims();
    info.channels = one.image.extent(-1);
    info.labelled = one.label.defined();
    info.probabilities = one.probabilities.defined();
    check(info.dims == 2 || info.dims == 3, "dataset: cases have ", info.dims, " spatial axes, expected 2 or 3");
    require_classes(info, path);
  }
  if (one.label.defined() != info.labelled)
    fail_format(path, text("case ", name.index, " (\"", name.id, "\") has ", info.labelled ? "no label" : "a label",
                           ", those before have ", info.labelled ? "one" : "none"));
  check(one.image.dtype() == DType::f32 && one.image.numel() > 0 && space.dims() == info.dims &&
            one.image.extent(-1) == info.channels,
        "dataset: image ", one.image, " of case ", name.index, " does not fit case 0");
  if (info.labelled)
    check(one.label.dtype() == DType::u8 && one.label.shape() == space, "dataset: case ", name.index, ": image ",
          one.image, " does not fit label ", one.label);
  const Shape probable = space + Shape{std::ssize(info.class_names)};
  check(one.probabilities.defined() == info.probabilities && (!info.probabilities || info.labelled), "dataset: case ",
        name.index, ": every case has label probabilities beside its label, or none has");
  if (info.probabilities) {
    const Tensor& p = one.probabilities;
    check(p.dtype() == DType::f32 && p.shape() == probable, "dataset: case ", name.index, ": label probabilities ", p,
          ", expected f32 ", probable);
    require_probabilities({p.data<float>(), static_cast<std::size_t>(p.numel())}, p.extent(-1), name);
  }
  require_space({name.index, name.id, path}, info.dims, one.spacing, one.affine);
  check(!one.affine || orientation_of(*one.affine) == "RAS", "dataset: case ", name.index,
        " has an affine and is not in the order RAS");
  check(stacked > 0 || (one.id.find('/') == std::string::npos && one.id != "."), "dataset: case ", name.index,
        " is named \"", one.id, "\", which is no name of an object");
}

void DatasetWriter::Impl::add(const Case& one, Element element) {
  const CaseName name{std::ssize(info.case_ids), one.id, path};
  check(element == Element::u8 || element == Element::i16 || element == Element::u16 || element == Element::f32,
        "dataset: images are stored as u8, i16, u16 or f32, not ", name_of(element));
  require_case(one, name);
  const Values image = values_of_image(one.image, element, name);
  if (info.labelled) check_labels.add(LabelRule::seen({one.label.data<std::uint8_t>(), one.label.bytes()}), name);
  ids.add(one.id);
  info.case_ids.push_back(one.id);
  info.groups.push_back(one.group);
  info.spacings.push_back(one.spacing);
  if (stacked > 0) {
    if (name.index == 0) create_stacked(one, element);
    put("/images", one.image.shape(), image, image_crc);
    if (info.labelled) put("/labels", one.label.shape(), values_of_label(one.label), label_crc);
    if (info.probabilities)
      put("/label_probabilities", one.probabilities.shape(), values_of_probabilities(one.probabilities),
          probabilities_crc);
    return;
  }
  const std::string group = "/cases/" + one.id;
  out.group(group);
  image_crc = label_crc = probabilities_crc = 0;
  put(group + "/image", one.image.shape(), image, image_crc);
  finish(group + "/image", true, image_crc);
  if (info.labelled) {
    put(group + "/label", one.label.shape(), values_of_label(one.label), label_crc);
    finish(group + "/label", false, label_crc);
  }
  if (info.probabilities) {
    put(group + "/label_probabilities", one.probabilities.shape(), values_of_probabilities(one.probabilities),
        probabilities_crc);
    finish(group + "/label_probabilities", true, probabilities_crc);
  }
  out.attribute(group, "spacing", one.spacing);
  write_place(out, group, one.affine, one.origin);
}

void DatasetWriter::Impl::create(const std::string& array, const Shape& extents, Element element) {
  out.create(array, element, extents, h5::chunk_of(extents, stacked > 0, info.dims, element));
}

void DatasetWriter::Impl::create_stacked(const Case& first, Element element) {
  create("/images", Shape{stacked} + first.image.shape(), element);
  if (info.labelled) create("/labels", Shape{stacked} + first.label.shape(), Element::u8);
  if (info.probabilities) create("/label_probabilities", Shape{stacked} + first.probabilities.shape(), Element::f32);
}

// Writes the values of the last case, `extents`, and continues the checksum of those before.
void DatasetWriter::Impl::put(const std::string& array, const Shape& extents, const Values& values,
                              std::uint32_t& crc) {
  const Shape lead = stacked > 0 ? Shape{1} : Shape{}, whole = stacked > 0 ? Shape{stacked} + extents : extents;
  if (stacked == 0) create(array, whole, values.element);
  Shape start = Shape::filled(whole.dims(), 0);
  if (stacked > 0) start[0] = std::ssize(info.case_ids) - 1;
  out.write(array, start, lead + extents, values.element, values.data);
  crc = crc32({static_cast<const std::byte*>(values.data), values.size}, crc);
}

void DatasetWriter::Impl::finish(const std::string& array, bool channels, std::uint32_t crc) {
  out.attribute(array, "axes", axes_of(info.dims, stacked > 0, channels));
  out.attribute(array, "crc32", crc);
}

void DatasetWriter::Impl::put_splits() {
  if (info.splits.empty()) return;
  out.group("/splits");
  std::string made;
  for (const auto& [name, indices] : info.splits) {
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(0, slash) != made) {
      made = name.substr(0, slash);
      out.group("/splits/" + made);
    }
    const Shape extents{std::ssize(indices)};
    out.create("/splits/" + name, Element::i32, extents);
    if (!indices.empty()) out.write("/splits/" + name, {0}, extents, Element::i64, indices.data());
  }
}

void DatasetWriter::Impl::save(const std::map<std::string, std::vector<std::int64_t>>& splits) {
  info.splits = splits;
  const auto no_group = [](const std::string& group) { return group.empty(); };
  if (std::all_of(info.groups.begin(), info.groups.end(), no_group)) info.groups.clear();
  require_consistent(info, path);
  check_labels.finish();
  if (stacked > 0) {
    check(std::ssize(info.case_ids) == stacked, "dataset: ", info.case_ids.size(), " cases of ", stacked);
    finish("/images", true, image_crc);
    out.attribute("/images", "spacing", info.spacings[0]);
    if (info.labelled) finish("/labels", false, label_crc);
    if (info.probabilities) finish("/label_probabilities", true, probabilities_crc);
  }
  out.texts("/case_ids", info.case_ids);
  if (!info.groups.empty()) out.texts("/groups", info.groups);
  put_splits();
  out.save();
}

DatasetWriter::DatasetWriter(const std::string& path, const Header& header)
    : impl_(std::make_unique<Impl>(path, header)) {}
DatasetWriter::~DatasetWriter() = default;
void DatasetWriter::add(const Case& one, Element element) { impl_->add(one, element); }
void DatasetWriter::save(const std::map<std::string, std::vector<std::int64_t>>& splits) { impl_->save(splits); }

void write_dataset(const std::string& path, const DatasetContents& contents) {
  check(contents.image_dtype == DType::u8 || contents.image_dtype == DType::f32,
        "write_dataset: images are written as u8 or f32, not ", contents.image_dtype);
  check(!contents.cases.empty(), "write_dataset: there are no cases for ", path);
  const Case& first = contents.cases[0];
  const bool stacked = std::all_of(contents.cases.begin(), contents.cases.end(), [&](const Case& one) {
    return one.image.shape() == first.image.shape() && one.spacing == first.spacing && !one.affine &&
           one.origin.path.empty();
  });
  DatasetWriter::Header header;
  header.class_names = contents.class_names;
  header.attributes = contents.attributes;
  header.ignore_label = contents.ignore_label;
  DatasetWriter::Impl writer(path, header, stacked ? std::ssize(contents.cases) : 0);
  for (const Case& one : contents.cases)
    writer.add(one, contents.image_dtype == DType::u8 ? Element::u8 : Element::f32);
  writer.save(contents.splits);
}

}  // namespace voxgrad::data

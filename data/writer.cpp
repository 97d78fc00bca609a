#include "data/writer.h"

#include <algorithm>
#include <cmath>

#include "data/consistent.h"
#include "data/format.h"
#include "data/h5/h5_writer.h"
#include "data/labels.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

// The values of one case as they are written.
struct Values {
  h5::Element element = h5::Element::u8;
  std::vector<std::uint8_t> bytes;  // holds the values of a u8 image, which is f32 in memory
  const void* data = nullptr;
  std::size_t size = 0;
};

Values values_of_image(const Tensor& image, DType dtype, const CaseName& name) {
  const float* values = image.data<float>();
  const std::size_t count = static_cast<std::size_t>(image.numel());
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) fail_case("images", name, text("value ", values[i], " is not a finite number"));
    if (dtype == DType::u8 && (values[i] < 0 || values[i] > 255 || values[i] != std::floor(values[i])))
      fail_case("images", name, text("value ", values[i], " cannot be stored as u8"), "write f32, or round to 0..255");
  }
  if (dtype != DType::u8) return {h5::Element::f32, {}, values, count * sizeof(float)};
  Values result;
  result.bytes.resize(count);
  std::transform(values, values + count, result.bytes.begin(), [](float v) { return static_cast<std::uint8_t>(v); });
  result.data = result.bytes.data();
  result.size = count;
  return result;
}

Values values_of_label(const Tensor& label) {
  return {h5::Element::u8, {}, label.raw(), static_cast<std::size_t>(label.numel())};
}

std::string axes_of(int dims, bool stacked, bool channels) {
  return std::string(stacked ? "N" : "") + (dims == 2 ? "YX" : "ZYX") + (channels ? "C" : "");
}

class ContentsWriter {
 public:
  ContentsWriter(const std::string& path, const DatasetContents& contents)
      : path_(path), contents_(contents), out_(path) {
    require_contents();
  }

  void write() {
    write_root();
    if (stacked_)
      write_stacked();
    else
      write_cases();
    out_.texts("/case_ids", info_.case_ids);
    if (!info_.groups.empty()) out_.texts("/groups", info_.groups);
    write_splits();
    out_.save();
  }

 private:
  CaseName name(std::int64_t i) const { return {i, nth(contents_.cases, i).id, path_}; }
  void require_contents();
  void require_case(std::int64_t i);
  void require_labels() const;
  void write_root();
  void write_stacked();
  void write_cases();
  void write_splits();
  std::int64_t cases() const { return std::ssize(contents_.cases); }
  std::uint32_t write_part(const std::string& path, const Shape& extents, const Values& part, std::int64_t index,
                           std::uint32_t crc);

  std::string path_;
  const DatasetContents& contents_;
  DatasetInfo info_;
  bool stacked_ = true;
  h5::Writer out_;
};

void ContentsWriter::require_contents() {
  check(contents_.image_dtype == DType::u8 || contents_.image_dtype == DType::f32,
        "write_dataset: images are written as u8 or f32, not ", contents_.image_dtype);
  check(!contents_.cases.empty(), "write_dataset: there are no cases for ", path_);
  info_.class_names = contents_.class_names;
  info_.ignore_label = contents_.ignore_label;
  info_.splits = contents_.splits;
  info_.dims = contents_.cases[0].label.dims();
  info_.channels = contents_.cases[0].image.extent(-1);
  check(info_.dims == 2 || info_.dims == 3, "write_dataset: cases have ", info_.dims, " spatial axes, expected 2 or 3");
  const auto has_group = [](const Case& one) { return !one.group.empty(); };
  const bool grouped = std::any_of(contents_.cases.begin(), contents_.cases.end(), has_group);
  for (const Case& one : contents_.cases) {
    info_.case_ids.push_back(one.id);
    info_.spacings.push_back(one.spacing);
    if (grouped) info_.groups.push_back(one.group);
  }
  require_consistent(info_, path_);
  for (std::int64_t i = 0; i < cases(); ++i) require_case(i);
  require_labels();
}

void ContentsWriter::require_case(std::int64_t i) {
  const Case& one = nth(contents_.cases, i);
  const Case& first = contents_.cases[0];
  check(one.label.dtype() == DType::u8 && one.label.dims() == info_.dims && one.label.numel() > 0 &&
            one.image.shape() == one.label.shape() + Shape{info_.channels},
        "write_dataset: case ", i, ": image ", one.image, " does not fit label ", one.label, ", or case 0");
  stacked_ = stacked_ && one.label.shape() == first.label.shape() && one.spacing == first.spacing;
}

void ContentsWriter::require_labels() const {
  const LabelRule rule(std::ssize(info_.class_names),
                       contents_.ignore_label < 0 ? kIgnoreDefault : contents_.ignore_label);
  bool foreground = contents_.ignore_label >= 0;
  std::int64_t ignored = -1;  // the first case in which the ignore label occurs
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Tensor& label = nth(contents_.cases, i).label;
    const LabelRule::Seen seen = LabelRule::seen({label.data<std::uint8_t>(), label.bytes()});
    rule.require(seen, name(i));
    foreground = foreground || rule.has_foreground(seen);
    if (ignored < 0 && rule.has_ignored(seen)) ignored = i;
  }
  if (!foreground && ignored >= 0) rule.fail_without_foreground(name(ignored));
}

void ContentsWriter::write_root() {
  out_.attribute("/", "format", std::string(kFormatName));
  out_.attribute("/", "format_version", kFormatVersion);
  out_.attribute("/", "class_names", contents_.class_names);
  if (contents_.ignore_label >= 0)
    out_.attribute("/", "ignore_label", static_cast<std::int64_t>(contents_.ignore_label));
  for (const auto& [name, value] : contents_.attributes) {
    check(name != "format" && name != "format_version" && name != "class_names" && name != "ignore_label",
          "write_dataset: attribute \"", name, "\" is the format's own");
    out_.attribute("/", name, value);
  }
}

// Writes the values of a case into an array that exists. Returns the checksum `crc` of those before, continued.
std::uint32_t ContentsWriter::write_part(const std::string& path, const Shape& extents, const Values& part,
                                         std::int64_t index, std::uint32_t crc) {
  Shape start = Shape::filled(extents.dims(), 0), count = extents;
  if (stacked_) {
    start[0] = index;
    count[0] = 1;
  }
  out_.write(path, start, count, part.element, part.data);
  return crc32({static_cast<const std::byte*>(part.data), part.size}, crc);
}

void ContentsWriter::write_stacked() {
  const h5::Element element = contents_.image_dtype == DType::u8 ? h5::Element::u8 : h5::Element::f32;
  const Shape image = Shape{cases()} + contents_.cases[0].image.shape();
  const Shape label = Shape{cases()} + contents_.cases[0].label.shape();
  out_.create("/images", element, image, h5::chunk_of(image, true, info_.dims, element));
  out_.create("/labels", h5::Element::u8, label, h5::chunk_of(label, true, info_.dims, h5::Element::u8));
  std::uint32_t image_crc = 0, label_crc = 0;
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Case& one = nth(contents_.cases, i);
    image_crc = write_part("/images", image, values_of_image(one.image, contents_.image_dtype, name(i)), i, image_crc);
    label_crc = write_part("/labels", label, values_of_label(one.label), i, label_crc);
  }
  out_.attribute("/images", "axes", axes_of(info_.dims, true, true));
  out_.attribute("/images", "crc32", image_crc);
  out_.attribute("/images", "spacing", contents_.cases[0].spacing);
  out_.attribute("/labels", "axes", axes_of(info_.dims, true, false));
  out_.attribute("/labels", "crc32", label_crc);
}

void ContentsWriter::write_cases() {
  out_.group("/cases");
  for (std::int64_t i = 0; i < cases(); ++i) {
    const Case& one = nth(contents_.cases, i);
    check(one.id.find('/') == std::string::npos && one.id != ".", "write_dataset: case ", i, " is named \"", one.id,
          "\", which is no name of an object");
    const std::string group = "/cases/" + one.id;
    out_.group(group);
    const auto put = [&](const std::string& path, const Tensor& values, const Values& part, bool channels) {
      const Shape& extents = values.shape();
      out_.create(path, part.element, extents, h5::chunk_of(extents, false, info_.dims, part.element));
      out_.attribute(path, "crc32", write_part(path, extents, part, i, 0));
      out_.attribute(path, "axes", axes_of(info_.dims, false, channels));
    };
    put(group + "/image", one.image, values_of_image(one.image, contents_.image_dtype, name(i)), true);
    put(group + "/label", one.label, values_of_label(one.label), false);
    out_.attribute(group, "spacing", one.spacing);
  }
}

void ContentsWriter::write_splits() {
  if (contents_.splits.empty()) return;
  out_.group("/splits");
  std::string made;
  for (const auto& [name, indices] : contents_.splits) {
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(0, slash) != made) {
      made = name.substr(0, slash);
      out_.group("/splits/" + made);
    }
    const Shape extents{std::ssize(indices)};
    out_.create("/splits/" + name, h5::Element::i32, extents);
    if (!indices.empty()) out_.write("/splits/" + name, {0}, extents, h5::Element::i64, indices.data());
  }
}

}  // namespace

void write_dataset(const std::string& path, const DatasetContents& contents) { ContentsWriter(path, contents).write(); }

}  // namespace voxgrad::data

// write_dataset: format 1, the same bytes for the same contents.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/format.h"
#include "data/h5/h5_writer.h"
#include "data/labels.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{4} << 20;
constexpr std::int64_t kChunkVoxels2d = 512, kChunkVoxels3d = 64;  // per axis: 64^3 = 512^2

// The stored bytes of one array of one case.
struct Stored {
  h5::Element element = h5::Element::u8;
  std::vector<std::uint8_t> bytes;  // of a u8 image
  const void* data = nullptr;
  std::size_t size = 0;
};

Stored stored_image(const Tensor& image, DType dtype, const Place& place) {
  const float* values = image.data<float>();
  const std::size_t count = static_cast<std::size_t>(image.numel());
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) fail_case("images", place, text("value ", values[i], " is not a finite number"));
    if (dtype == DType::u8 && (values[i] < 0 || values[i] > 255 || values[i] != std::floor(values[i])))
      fail_case("images", place, text("value ", values[i], " cannot be stored as u8"), "write f32, or round to 0..255");
  }
  if (dtype != DType::u8) return {h5::Element::f32, {}, values, count * sizeof(float)};
  Stored result;
  result.bytes.resize(count);
  std::transform(values, values + count, result.bytes.begin(), [](float v) { return static_cast<std::uint8_t>(v); });
  result.data = result.bytes.data();
  result.size = count;
  return result;
}

Stored stored_label(const Tensor& label) {
  return {h5::Element::u8, {}, label.raw(), static_cast<std::size_t>(label.numel())};
}

std::uint32_t add_crc(std::uint32_t crc, const Stored& stored) {
  return crc32({static_cast<const std::byte*>(stored.data), stored.size}, crc);
}

// One case, or blocks of 64^3 voxels if that is more than 4 MiB. `lead`: whether the first axis counts cases.
h5::Extents chunk_of(h5::Extents extents, bool lead, int dims, h5::Element element) {
  if (lead) extents[0] = 1;
  const std::int64_t values =
      std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<std::int64_t>());
  if (values * static_cast<std::int64_t>(size_of(element)) <= kChunkBytes) return extents;
  const std::int64_t edge = dims == 2 ? kChunkVoxels2d : kChunkVoxels3d;
  const std::ptrdiff_t first = lead ? 1 : 0;
  for (auto extent = extents.begin() + first; extent != extents.begin() + first + dims; ++extent)
    *extent = std::min(*extent, edge);
  return extents;
}

h5::Extents extents_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

std::string axes_of(int dims, bool stacked, bool channels) {
  return std::string(stacked ? "N" : "") + (dims == 2 ? "YX" : "ZYX") + (channels ? "C" : "");
}

class DatasetWriter {
 public:
  DatasetWriter(const std::string& path, const DatasetContents& contents) : path_(path), contents_(contents) {
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
    out_.save(path_);
  }

 private:
  Place place(std::size_t i) const { return {static_cast<std::int64_t>(i), contents_.cases[i].id, path_}; }
  void require_contents();
  void require_case(std::size_t i);
  void require_labels() const;
  void write_root();
  void write_stacked();
  void write_cases();
  void write_splits();
  std::uint32_t write_part(const std::string& path, const h5::Extents& extents, const Stored& part, std::size_t index,
                           std::uint32_t crc);

  std::string path_;
  const DatasetContents& contents_;
  DatasetInfo info_;
  bool stacked_ = true;
  h5::Writer out_;
};

void DatasetWriter::require_contents() {
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
  for (std::size_t i = 0; i < contents_.cases.size(); ++i) require_case(i);
  require_labels();
}

void DatasetWriter::require_case(std::size_t i) {
  const Case& one = contents_.cases[i];
  const Case& first = contents_.cases[0];
  Shape expected = one.label.shape();
  expected.push_back(info_.channels);
  check(one.label.dtype() == DType::u8 && one.label.dims() == info_.dims && one.label.numel() > 0 &&
            one.image.shape() == expected,
        "write_dataset: case ", i, ": image ", one.image, " does not fit label ", one.label, ", or case 0");
  stacked_ = stacked_ && one.label.shape() == first.label.shape() && one.spacing == first.spacing;
}

void DatasetWriter::require_labels() const {
  const LabelRule rule(static_cast<std::int64_t>(info_.class_names.size()),
                       contents_.ignore_label < 0 ? kIgnoreDefault : contents_.ignore_label);
  bool foreground = contents_.ignore_label >= 0;
  std::size_t ignored = contents_.cases.size();
  for (std::size_t i = 0; i < contents_.cases.size(); ++i) {
    const Stored label = stored_label(contents_.cases[i].label);
    const LabelRule::Seen seen = LabelRule::seen({static_cast<const std::uint8_t*>(label.data), label.size});
    rule.require(seen, place(i));
    foreground = foreground || rule.has_foreground(seen);
    if (rule.has_ignored(seen)) ignored = std::min(ignored, i);
  }
  if (!foreground && ignored < contents_.cases.size()) rule.fail_without_foreground(place(ignored));
}

void DatasetWriter::write_root() {
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

// Writes a part of an array that exists, and adds it to the checksum.
std::uint32_t DatasetWriter::write_part(const std::string& path, const h5::Extents& extents, const Stored& part,
                                        std::size_t index, std::uint32_t crc) {
  h5::Extents start(extents.size(), 0), count = extents;
  if (stacked_) {
    start[0] = static_cast<std::int64_t>(index);
    count[0] = 1;
  }
  out_.write(path, start, count, part.element, part.data);
  return add_crc(crc, part);
}

void DatasetWriter::write_stacked() {
  const h5::Element element = contents_.image_dtype == DType::u8 ? h5::Element::u8 : h5::Element::f32;
  h5::Extents image = extents_of(contents_.cases[0].image.shape()),
              label = extents_of(contents_.cases[0].label.shape());
  for (h5::Extents* extents : {&image, &label})
    extents->insert(extents->begin(), static_cast<std::int64_t>(contents_.cases.size()));
  out_.create("/images", element, image, chunk_of(image, true, info_.dims, element));
  out_.create("/labels", h5::Element::u8, label, chunk_of(label, true, info_.dims, h5::Element::u8));
  std::uint32_t image_crc = 0, label_crc = 0;
  for (std::size_t i = 0; i < contents_.cases.size(); ++i) {
    const Case& one = contents_.cases[i];
    image_crc = write_part("/images", image, stored_image(one.image, contents_.image_dtype, place(i)), i, image_crc);
    label_crc = write_part("/labels", label, stored_label(one.label), i, label_crc);
  }
  out_.attribute("/images", "axes", axes_of(info_.dims, true, true));
  out_.attribute("/images", "crc32", image_crc);
  out_.attribute("/images", "spacing", contents_.cases[0].spacing);
  out_.attribute("/labels", "axes", axes_of(info_.dims, true, false));
  out_.attribute("/labels", "crc32", label_crc);
}

void DatasetWriter::write_cases() {
  out_.group("/cases");
  for (std::size_t i = 0; i < contents_.cases.size(); ++i) {
    const Case& one = contents_.cases[i];
    check(one.id.find('/') == std::string::npos && one.id != ".", "write_dataset: case ", i, " is named \"", one.id,
          "\", which is no name of an object");
    const std::string group = "/cases/" + one.id;
    out_.group(group);
    const auto put = [&](const std::string& path, const Tensor& values, const Stored& part, bool channels) {
      const h5::Extents extents = extents_of(values.shape());
      out_.create(path, part.element, extents, chunk_of(extents, false, info_.dims, part.element));
      out_.attribute(path, "crc32", write_part(path, extents, part, i, 0));
      out_.attribute(path, "axes", axes_of(info_.dims, false, channels));
    };
    put(group + "/image", one.image, stored_image(one.image, contents_.image_dtype, place(i)), true);
    put(group + "/label", one.label, stored_label(one.label), false);
    out_.attribute(group, "spacing", one.spacing);
  }
}

void DatasetWriter::write_splits() {
  if (contents_.splits.empty()) return;
  out_.group("/splits");
  std::string made;
  for (const auto& [name, indices] : contents_.splits) {
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(0, slash) != made) {
      made = name.substr(0, slash);
      out_.group("/splits/" + made);
    }
    const h5::Extents extents{static_cast<std::int64_t>(indices.size())};
    out_.create("/splits/" + name, h5::Element::i32, extents);
    if (!indices.empty()) out_.write("/splits/" + name, {0}, extents, h5::Element::i64, indices.data());
  }
}

}  // namespace

void write_dataset(const std::string& path, const DatasetContents& contents) { DatasetWriter(path, contents).write(); }

}  // namespace voxgrad::data

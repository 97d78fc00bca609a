#include "data/format.h"

#include <algorithm>
#include <filesystem>

#include "data/consistent.h"
#include "data/label_file.h"
#include "engine/error.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {

void fail_format(const std::string& where, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::data, text(where, ": ", problem), hint);
}

namespace {

// Returns the checksum that the file has for an array, 0 if it has none.
std::uint32_t crc_of(const h5::Object& object) {
  return object.has_attribute("crc32") ? static_cast<std::uint32_t>(object.integer_attribute("crc32")) : 0;
}

void read_root(const h5::File& file, StoredDataset& stored) {
  const h5::Group root = file.group("/");
  DatasetInfo& info = stored.info;
  const std::string hint = "write it as data/README.md describes format 1";
  if (!root.has_attribute("format")) fail_format(root.where(), text("has no attribute \"format\""), hint);
  const std::string format = root.string_attribute("format");
  if (format != kFormatName)
    fail_format(root.where(), text("format is \"", format, "\", expected ", kFormatName), hint);
  const std::int64_t version = root.integer_attribute("format_version");
  if (version != kFormatVersion)
    fail_format(root.where(), text("format_version is ", version, ", this program reads ", kFormatVersion),
                version > kFormatVersion ? "use a newer voxgrad" : "");
  info.path = file.path();
  info.name = std::filesystem::path(file.path()).stem().string();
  info.class_names = root.strings_attribute("class_names");
  const int ignore = ignore_label_of(root);
  stored.names_ignore_label = ignore >= 0;
  info.ignore_label = stored.names_ignore_label ? ignore : kIgnoreDefault;
  for (auto& [name, value] : root.text_attributes())
    if (name != "format" && name != "class_names") info.attributes.emplace(name, value);
}

void require_type(const h5::Array& array, std::initializer_list<h5::Element> allowed) {
  if (std::find(allowed.begin(), allowed.end(), array.element()) != allowed.end()) return;
  std::string names;
  for (const h5::Element element : allowed) names += (names.empty() ? "" : ", ") + std::string(name_of(element));
  fail_format(array.where(), text("is ", name_of(array.element()), ", expected ", names),
              "convert it before it is written");
}

// Reads the attribute `axes` of an image array into `dims`; with `stacked` it begins with an N. Returns whether the
// channels come first.
bool read_axes(const h5::Array& array, bool stacked, int& dims) {
  const std::string axes = array.string_attribute("axes"), n = stacked ? "N" : "";
  for (const int candidate : {2, 3}) {
    const std::string space = candidate == 2 ? "YX" : "ZYX";
    if (axes != n + space + "C" && axes != n + "C" + space) continue;
    if (array.extents().dims() != std::ssize(axes))
      fail_format(array.where(), text("axes \"", axes, "\" do not fit extents ", array.extents()));
    dims = candidate;
    return axes[n.size()] == 'C';
  }
  fail_format(array.where(),
              text("axes are \"", axes, "\", expected ", n, "YXC, ", n, "ZYXC, ", n, "CYX or ", n, "CZYX"),
              "name the axes in the order in which they are stored, the slowest first");
}

struct Geometry {
  int dims = 0;
  bool channels_first = false;
  std::int64_t channels = 0;
  Shape space;
};

// Checks an array of images and its array of labels against each other.
Geometry read_pair(const h5::Array& image, const h5::Array& label, bool stacked) {
  using h5::Element;
  require_type(image, {Element::u8, Element::i16, Element::u16, Element::f32});
  require_type(label, {Element::u8});
  Geometry found;
  found.channels_first = read_axes(image, stacked, found.dims);
  const int lead = stacked ? 1 : 0, first = lead + (found.channels_first ? 1 : 0);
  const Shape& whole = image.extents();
  found.space = Shape(std::span(whole.begin() + first, whole.begin() + first + found.dims));
  found.channels = whole[found.channels_first ? lead : -1];
  const std::string axes = label.string_attribute("axes");
  const std::string expected = std::string(stacked ? "N" : "") + (found.dims == 2 ? "YX" : "ZYX");
  if (axes != expected) fail_format(label.where(), text("axes are \"", axes, "\", expected ", expected));
  const Shape expected_extents = stacked ? Shape{whole[0]} + found.space : found.space;
  if (label.extents() != expected_extents)
    fail_format(label.where(), text("extents are ", label.extents(), ", the images need ", expected_extents));
  if (std::find(whole.begin(), whole.end(), 0) != whole.end())
    fail_format(image.where(), text("is empty: extents ", whole));
  return found;
}

void read_stacked(StoredDataset& stored) {
  const h5::File& file = stored.file;
  stored.images = file.array("/images");
  stored.labels = file.array("/labels");
  const Geometry found = read_pair(stored.images, stored.labels, true);
  DatasetInfo& info = stored.info;
  stored.channels_first = found.channels_first;
  info.dims = found.dims;
  info.channels = found.channels;
  info.images_crc32 = crc_of(stored.images);
  info.labels_crc32 = crc_of(stored.labels);
  const h5::Array ids = file.array("/case_ids");
  const std::int64_t cases = stored.images.extents()[0];
  if (ids.extents() != Shape{cases})
    fail_format(ids.where(), text("extents are ", ids.extents(), ", there are ", cases, " images"));
  info.case_ids = ids.read_strings();
  info.shapes.assign(info.case_ids.size(), found.space);
  info.spacings.assign(info.case_ids.size(), stored.images.numbers_attribute("spacing"));
}

// Returns the checksum of all arrays up to and with `next`, of which those before have the checksum `crc`.
std::uint32_t crc_with(std::uint32_t crc, const h5::Array& next) {
  const std::uint64_t bytes = size_of(next.element()) * static_cast<std::uint64_t>(next.extents().numel());
  return combined_crc32(crc, crc_of(next), bytes);
}

void read_cases(StoredDataset& stored) {
  const h5::File& file = stored.file;
  DatasetInfo& info = stored.info;
  stored.stacked = false;
  info.case_ids = file.exists("/case_ids") ? file.array("/case_ids").read_strings() : file.children("/cases");
  if (info.case_ids.empty()) fail_format("group /cases of " + file.name(), "has no cases");
  for (std::size_t i = 0; i < info.case_ids.size(); ++i) {
    const std::string path = "/cases/" + info.case_ids[i];
    const h5::Group group = file.group(path);
    const h5::Array image = file.array(path + "/image"), label = file.array(path + "/label");
    const Geometry found = read_pair(image, label, false);
    info.images_crc32 = crc_with(info.images_crc32, image);
    info.labels_crc32 = crc_with(info.labels_crc32, label);
    if (i == 0) {
      info.dims = found.dims;
      info.channels = found.channels;
    }
    if (found.dims != info.dims || found.channels != info.channels)
      fail_format(image.where(), text("has ", found.dims, " spatial axes and ", found.channels,
                                      " channels, the cases before ", info.dims, " and ", info.channels));
    const bool of_image = image.has_attribute("spacing");
    info.spacings.push_back(of_image ? image.numbers_attribute("spacing") : group.numbers_attribute("spacing"));
    info.shapes.push_back(found.space);
  }
}

void read_splits(const h5::File& file, DatasetInfo& info) {
  if (!file.exists("/splits")) return;
  for (const std::string& name : file.children("/splits")) {
    const std::string path = "/splits/" + name;
    if (!file.exists(path) || !file.is_group(path)) {
      info.splits[name] = file.array(path).read_integers();
      continue;
    }
    for (const std::string& part : file.children(path))
      info.splits[name + "/" + part] = file.array(text(path, "/", part)).read_integers();
  }
}

Box whole_array(const h5::Array& array, bool channels_first) {
  return {array, Shape::filled(array.extents().dims(), 0), array.extents(), channels_first};
}

Box one_case(const h5::Array& array, std::int64_t index, bool channels_first) {
  return {array, Shape::filled(array.extents().dims(), 0).with(0, index), array.extents().with(0, 1), channels_first};
}

}  // namespace

Box StoredDataset::image(std::int64_t index) const {
  if (stacked) return one_case(images, index, channels_first);
  const h5::Array array = file.array("/cases/" + nth(info.case_ids, index) + "/image");
  int dims = 0;
  return whole_array(array, read_axes(array, false, dims));
}

Box StoredDataset::label(std::int64_t index) const {
  if (stacked) return one_case(labels, index, false);
  return whole_array(file.array("/cases/" + nth(info.case_ids, index) + "/label"), false);
}

StoredDataset open_stored(const std::string& path) {
  StoredDataset stored;
  stored.file = h5::File::open(path);
  const h5::File& file = stored.file;
  read_root(file, stored);
  if (file.exists("/cases") && !file.exists("/images"))
    read_cases(stored);
  else
    read_stacked(stored);
  if (file.exists("/groups")) stored.info.groups = file.array("/groups").read_strings();
  read_splits(file, stored.info);
  require_consistent(stored.info, file.name());
  return stored;
}

}  // namespace voxgrad::data

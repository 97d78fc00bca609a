#include "data/format.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {

void fail_format(const std::string& where, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::data, text(where, ": ", problem), hint);
}

namespace {

std::string list(const h5::Extents& extents) {
  std::string result = "[";
  for (const std::int64_t extent : extents) result += (result.size() > 1 ? ", " : "") + std::to_string(extent);
  return result + "]";
}

// 0 where the file says none.
std::uint32_t crc_of(const h5::Object& object) {
  return object.has_attribute("crc32") ? static_cast<std::uint32_t>(object.integer_attribute("crc32")) : 0;
}

void read_root(const h5::File& file, Layout& layout) {
  const h5::Group root = file.group("/");
  DatasetInfo& info = layout.info;
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
  layout.names_ignore_label = root.has_attribute("ignore_label");
  const std::int64_t ignore = layout.names_ignore_label ? root.integer_attribute("ignore_label") : kIgnoreDefault;
  if (ignore < 0 || ignore > 255) fail_format(root.where(), text("ignore_label is ", ignore, ", expected 0..255"));
  info.ignore_label = static_cast<int>(ignore);
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

// Reads `axes` of an image array, with the leading N or without. True if the channels come first.
bool read_axes(const h5::Array& array, bool stacked, int& dims) {
  const std::string axes = array.string_attribute("axes"), n = stacked ? "N" : "";
  for (const int candidate : {2, 3}) {
    const std::string space = candidate == 2 ? "YX" : "ZYX";
    if (axes != n + space + "C" && axes != n + "C" + space) continue;
    if (static_cast<int>(array.extents().size()) != static_cast<int>(axes.size()))
      fail_format(array.where(), text("axes \"", axes, "\" do not fit extents ", list(array.extents())));
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
  h5::Extents space;
};

// Checks one pair of image and label arrays against each other.
Geometry read_pair(const h5::Array& image, const h5::Array& label, bool stacked) {
  using h5::Element;
  require_type(image, {Element::u8, Element::i16, Element::u16, Element::f32});
  require_type(label, {Element::u8});
  Geometry found;
  found.channels_first = read_axes(image, stacked, found.dims);
  const std::ptrdiff_t lead = stacked ? 1 : 0, first = lead + (found.channels_first ? 1 : 0);
  const auto begin = image.extents().begin();
  found.space.assign(begin + first, begin + first + found.dims);
  found.channels = found.channels_first ? begin[lead] : image.extents().back();
  const std::string axes = label.string_attribute("axes");
  const std::string expected = std::string(stacked ? "N" : "") + (found.dims == 2 ? "YX" : "ZYX");
  if (axes != expected) fail_format(label.where(), text("axes are \"", axes, "\", expected ", expected));
  h5::Extents extents = found.space;
  if (stacked) extents.insert(extents.begin(), image.extents()[0]);
  if (label.extents() != extents)
    fail_format(label.where(), text("extents are ", list(label.extents()), ", the images need ", list(extents)));
  if (std::find(image.extents().begin(), image.extents().end(), 0) != image.extents().end())
    fail_format(image.where(), text("is empty: extents ", list(image.extents())));
  return found;
}

Shape shape_of(const h5::Extents& extents) {
  Shape shape;
  for (const std::int64_t extent : extents) shape.push_back(extent);
  return shape;
}

void read_stacked(Layout& layout) {
  const h5::File& file = layout.file;
  layout.images = file.array("/images");
  layout.labels = file.array("/labels");
  const Geometry found = read_pair(layout.images, layout.labels, true);
  DatasetInfo& info = layout.info;
  layout.channels_first = found.channels_first;
  info.dims = found.dims;
  info.channels = found.channels;
  info.images_crc32 = crc_of(layout.images);
  info.labels_crc32 = crc_of(layout.labels);
  const h5::Array ids = file.array("/case_ids");
  const std::int64_t cases = layout.images.extents()[0];
  if (ids.extents() != h5::Extents{cases})
    fail_format(ids.where(), text("extents are ", list(ids.extents()), ", there are ", cases, " images"));
  info.case_ids = ids.read_strings();
  info.shapes.assign(info.case_ids.size(), shape_of(found.space));
  info.spacings.assign(info.case_ids.size(), layout.images.numbers_attribute("spacing"));
}

// Checksum of the arrays one after the other: `crc` so far, and the next array's.
std::uint32_t crc_with(std::uint32_t crc, const h5::Array& next) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(next.element()));
  for (const std::int64_t extent : next.extents()) bytes *= extent;
  return combined_crc32(crc, crc_of(next), static_cast<std::uint64_t>(bytes));
}

void read_cases(Layout& layout) {
  const h5::File& file = layout.file;
  DatasetInfo& info = layout.info;
  layout.stacked = false;
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
    info.shapes.push_back(shape_of(found.space));
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

Source stacked_source(const h5::Array& array, std::int64_t index) {
  Source source{array, h5::Extents(array.extents().size(), 0), array.extents(), false};
  source.start[0] = index;
  source.count[0] = 1;
  return source;
}

}  // namespace

Source Layout::image(std::int64_t index) const {
  if (stacked) {
    Source source = stacked_source(images, index);
    source.channels_first = channels_first;
    return source;
  }
  const h5::Array array = file.array("/cases/" + info.case_ids[static_cast<std::size_t>(index)] + "/image");
  int dims = 0;
  const bool first = read_axes(array, false, dims);
  return {array, h5::Extents(array.extents().size(), 0), array.extents(), first};
}

Source Layout::label(std::int64_t index) const {
  if (stacked) return stacked_source(labels, index);
  const h5::Array array = file.array("/cases/" + info.case_ids[static_cast<std::size_t>(index)] + "/label");
  return {array, h5::Extents(array.extents().size(), 0), array.extents(), false};
}

Layout read_layout(const std::string& path) {
  Layout layout;
  layout.file = h5::File::open(path);
  const h5::File& file = layout.file;
  read_root(file, layout);
  if (file.exists("/cases") && !file.exists("/images"))
    read_cases(layout);
  else
    read_stacked(layout);
  if (file.exists("/groups")) {
    const h5::Array groups = file.array("/groups");
    layout.info.groups = groups.read_strings();
  }
  read_splits(file, layout.info);
  require_consistent(layout.info, file.name());
  return layout;
}

}  // namespace voxgrad::data

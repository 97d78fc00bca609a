#include "data/format.h"

#include <algorithm>
#include <filesystem>

#include "data/attributes.h"
#include "data/consistent.h"
#include "data/label_file.h"
#include "data/place.h"
#include "engine/error.h"
#include "engine/io/crc32.h"

namespace voxgrad::data {

void fail_format(const std::string& where, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::data, text(where, ": ", problem), hint);
}

namespace {

constexpr std::int64_t kPieceBytes = std::int64_t{32} << 20;

// Returns the checksum that the file has for an array, 0 if it has none.
std::uint32_t crc_of(const h5::Object& object) {
  if (!object.has_attribute("crc32")) return 0;
  const std::int64_t crc = object.integer_attribute("crc32");
  if (crc < 0 || crc > 0xFFFFFFFF) fail_format(object.where(), text("its crc32 is ", crc, ", must be 0..4294967295"));
  return static_cast<std::uint32_t>(crc);
}

void read_root(const h5::File& file, StoredDataset& stored) {
  const h5::Group root = file.group("/");
  DatasetInfo& info = stored.info;
  const std::string hint = "make a dataset of the file first, or write it as data/README.md describes format 1";
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
  if (root.has_attribute("class_names")) info.class_names = root.strings_attribute("class_names");
  const int ignore = ignore_label_of(root);
  stored.names_ignore_label = ignore >= 0;
  info.ignore_label = stored.names_ignore_label ? ignore : kIgnoreDefault;
  for (auto& [name, value] : root.text_attributes())
    if (!is_own_attribute(name)) info.attributes.emplace(name, value);
  if (root.has_attribute("label_map"))
    info.source_label_map = label_map_of(root.string_attribute("label_map"), root.where());
  if (root.has_attribute("class_colours"))
    info.class_colours = colours_of(root.string_attribute("class_colours"), root.where());
  if (!root.has_attribute("spacing_unit")) return;
  const std::string unit = root.string_attribute("spacing_unit");
  if (unit != kMillimetres && unit != kPixels)
    fail_format(root.where(), text("spacing_unit is \"", unit, "\", expected ", kMillimetres, " or ", kPixels));
  info.physical = unit == kMillimetres;
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

Geometry read_geometry(const h5::Array& image, bool stacked) {
  using h5::Element;
  require_type(image, {Element::u8, Element::i16, Element::u16, Element::f16, Element::f32});
  Geometry found;
  found.channels_first = read_axes(image, stacked, found.dims);
  const int lead = stacked ? 1 : 0, first = lead + (found.channels_first ? 1 : 0);
  const Shape& whole = image.extents();
  found.space = Shape(std::span(whole.begin() + first, whole.begin() + first + found.dims));
  found.channels = whole[found.channels_first ? lead : -1];
  if (std::find(whole.begin(), whole.end(), 0) != whole.end())
    fail_format(image.where(), text("is empty: extents ", whole));
  return found;
}

// Checks an array of labels, or of probabilities of this number of classes, against its array of images.
void require_fit(const h5::Array& label, const h5::Array& image, const Geometry& found, bool stacked,
                 std::int64_t classes = 0) {
  require_type(label, {classes > 0 ? h5::Element::f32 : h5::Element::u8});
  const std::string axes = label.string_attribute("axes");
  const std::string expected =
      std::string(stacked ? "N" : "") + (found.dims == 2 ? "YX" : "ZYX") + (classes > 0 ? "C" : "");
  if (axes != expected) fail_format(label.where(), text("axes are \"", axes, "\", expected ", expected));
  const Shape extents =
      (stacked ? Shape{image.extents()[0]} : Shape{}) + found.space + (classes > 0 ? Shape{classes} : Shape{});
  if (label.extents() != extents)
    fail_format(label.where(), text("extents are ", label.extents(), ", the images need ", extents));
}

// Returns the number of classes that probabilities are about.
std::int64_t require_classes_of(const StoredDataset& stored) {
  if (!stored.info.labelled)
    fail_format(stored.file.name(), "has label_probabilities, but no labels",
                "store the likeliest class as labels too, as numpy.argmax(probabilities, -1) gives it");
  if (stored.info.class_names.empty()) fail_format(stored.file.group("/").where(), "has no attribute \"class_names\"");
  return std::ssize(stored.info.class_names);
}

void read_stacked(StoredDataset& stored) {
  const h5::File& file = stored.file;
  DatasetInfo& info = stored.info;
  stored.images = file.array("/images");
  const Geometry found = read_geometry(stored.images, true);
  info.labelled = file.exists("/labels");
  if (info.labelled) {
    stored.labels = file.array("/labels");
    require_fit(stored.labels, stored.images, found, true);
    info.labels_crc32 = crc_of(stored.labels);
  }
  info.probabilities = file.exists("/label_probabilities");
  if (info.probabilities) {
    stored.probabilities = file.array("/label_probabilities");
    require_fit(stored.probabilities, stored.images, found, true, require_classes_of(stored));
    info.probabilities_crc32 = crc_of(stored.probabilities);
  }
  stored.channels_first = found.channels_first;
  info.dims = found.dims;
  info.channels = found.channels;
  info.images_crc32 = crc_of(stored.images);
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

// Checks where the cases lie. From here on shapes and spacings are those after the turn to RAS.
void turn_cases(StoredDataset& stored, const std::vector<std::optional<Affine>>& affines) {
  DatasetInfo& info = stored.info;
  for (std::size_t i = 0; i < affines.size(); ++i) {
    require_space({static_cast<std::int64_t>(i), info.case_ids[i], stored.file.name()}, info.dims, info.spacings[i],
                  affines[i]);
    if (!affines[i]) continue;
    stored.spaces.resize(affines.size());
    info.orientations.resize(affines.size());
    info.orientations[i] = orientation_of(*affines[i]);
    const Turn turn = turn_to_ras(info.orientations[i]);
    stored.spaces[i] = {turn, turn(*affines[i], info.shapes[i])};
    info.shapes[i] = turn(info.shapes[i]);
    info.spacings[i] = turn(info.spacings[i]);
  }
}

// Returns the affine of each case, of the order in which it is stored.
std::vector<std::optional<Affine>> read_cases(StoredDataset& stored) {
  const h5::File& file = stored.file;
  DatasetInfo& info = stored.info;
  stored.info.stacked = false;
  info.case_ids = file.exists("/case_ids") ? file.array("/case_ids").read_strings() : file.children("/cases");
  if (info.case_ids.empty()) fail_format("group /cases of " + file.name(), "has no cases");
  std::vector<std::optional<Affine>> affines;
  bool images = true, labels = true, all_probabilities = true;  // whether each array has its checksum
  for (std::size_t i = 0; i < info.case_ids.size(); ++i) {
    const std::string path = "/cases/" + info.case_ids[i];
    const h5::Group group = file.group(path);
    const h5::Array image = file.array(path + "/image");
    const Geometry found = read_geometry(image, false);
    const bool labelled = file.exists(path + "/label"), probable = file.exists(path + "/label_probabilities");
    info.images_crc32 = crc_with(info.images_crc32, image);
    images = images && image.has_attribute("crc32");
    if (i == 0) {
      info.dims = found.dims;
      info.channels = found.channels;
      info.labelled = labelled;
      info.probabilities = probable;
    }
    if (labelled != info.labelled)
      fail_format(group.where(), labelled ? "has a label, the cases before have none" : "has no label",
                  "label every case, or none");
    if (probable != info.probabilities)
      fail_format(group.where(), text("has ", probable ? "" : "no ", "label_probabilities, unlike the cases before"),
                  "store them for every case, or for none");
    if (labelled) {
      const h5::Array label = file.array(path + "/label");
      require_fit(label, image, found, false);
      info.labels_crc32 = crc_with(info.labels_crc32, label);
      labels = labels && label.has_attribute("crc32");
    }
    if (probable) {
      const h5::Array probabilities = file.array(path + "/label_probabilities");
      require_fit(probabilities, image, found, false, require_classes_of(stored));
      info.probabilities_crc32 = crc_with(info.probabilities_crc32, probabilities);
      all_probabilities = all_probabilities && probabilities.has_attribute("crc32");
    }
    if (found.dims != info.dims || found.channels != info.channels)
      fail_format(image.where(), text("has ", found.dims, " spatial axes and ", found.channels,
                                      " channels, the cases before ", info.dims, " and ", info.channels));
    const bool of_image = image.has_attribute("spacing");
    info.spacings.push_back(of_image ? image.numbers_attribute("spacing") : group.numbers_attribute("spacing"));
    info.shapes.push_back(found.space);
    affines.push_back(read_affine(group));
  }
  if (!images) info.images_crc32 = 0;
  if (!labels) info.labels_crc32 = 0;
  if (!all_probabilities) info.probabilities_crc32 = 0;
  return affines;
}

// A list of cases is not longer than that of all cases, whatever it claims.
std::vector<std::int64_t> read_split(const h5::Array& array, const DatasetInfo& info) {
  const Shape& extents = array.extents();
  if (extents.dims() == 1 && extents[0] > std::ssize(info.case_ids))
    fail_format(array.where(), text("names ", extents[0], " cases, there are ", info.case_ids.size()));
  return array.read_integers();
}

void read_splits(const h5::File& file, DatasetInfo& info) {
  if (!file.exists("/splits")) return;
  for (const std::string& name : file.children("/splits")) {
    const std::string path = "/splits/" + name;
    if (!file.exists(path) || !file.is_group(path)) {
      info.splits[name] = read_split(file.array(path), info);
      continue;
    }
    for (const std::string& part : file.children(path))
      info.splits[name + "/" + part] = read_split(file.array(text(path, "/", part)), info);
  }
}

}  // namespace

Box whole_array(const h5::Array& array, bool channels_first) {
  return {array, Shape::filled(array.extents().dims(), 0), array.extents(), channels_first};
}

Box one_case(const h5::Array& array, std::int64_t index, bool channels_first) {
  return {array, Shape::filled(array.extents().dims(), 0).with(0, index), array.extents().with(0, 1), channels_first};
}

const StoredDataset::Space* StoredDataset::space(std::int64_t index) const {
  return !spaces.empty() && nth(spaces, index) ? &*nth(spaces, index) : nullptr;
}

Shape StoredDataset::stored_shape(std::int64_t index) const {
  const Shape& shape = nth(info.shapes, index);
  return space(index) != nullptr ? space(index)->turn.inverse()(shape) : shape;
}

Origin StoredDataset::origin(std::int64_t index) const {
  return info.stacked ? Origin() : read_origin(file, "/cases/" + nth(info.case_ids, index));
}

Box StoredDataset::image(std::int64_t index) const {
  if (info.stacked) return one_case(images, index, channels_first);
  const h5::Array array = file.array("/cases/" + nth(info.case_ids, index) + "/image");
  int dims = 0;
  return whole_array(array, read_axes(array, false, dims));
}

Box StoredDataset::label(std::int64_t index) const {
  if (info.stacked) return one_case(labels, index);
  return whole_array(file.array("/cases/" + nth(info.case_ids, index) + "/label"));
}

Box StoredDataset::probabilities_of(std::int64_t index) const {
  if (info.stacked) return one_case(probabilities, index);
  return whole_array(file.array("/cases/" + nth(info.case_ids, index) + "/label_probabilities"));
}

// Hands over the values of a box as they are stored, in C order, in pieces of bounded size.
void read_in_pieces(const Box& box, h5::Element memory, const std::function<void(Piece)>& take) {
  const int axis = box.count[0] == 1 ? 1 : 0;
  const std::int64_t length = box.count[axis];
  const std::int64_t row = static_cast<std::int64_t>(size_of(memory)) * box.count.numel() / length;
  const std::int64_t chunk = box.array.chunk()[axis];
  const std::int64_t rows = std::min(std::max(kPieceBytes / row / chunk * chunk, chunk), length);
  std::vector<std::byte> buffer(static_cast<std::size_t>(rows * row));
  for (std::int64_t first = 0; first < length; first += rows) {
    const std::int64_t here = std::min(rows, length - first);
    box.array.read(box.start.with(axis, box.start[axis] + first), box.count.with(axis, here), memory, buffer.data());
    take({buffer.data(), static_cast<std::size_t>(here * row)});
  }
}

void require_crc(const char* what, const h5::Array& array, std::uint32_t found) {
  if (!array.has_attribute("crc32")) return;
  const std::uint32_t expected = crc_of(array);
  if (found == expected) return;
  throw Error(ErrorKind::data,
              text(what, ": crc32 is ", hexadecimal(found), ", the file says ", hexadecimal(expected), " (",
                   array.where(), ")"),
              "the values changed after they were written; fetch or write the file again");
}

StoredDataset open_stored(const std::string& path) {
  StoredDataset stored;
  stored.file = h5::File::open(path);
  const h5::File& file = stored.file;
  read_root(file, stored);
  std::vector<std::optional<Affine>> affines;
  if (file.exists("/cases") && !file.exists("/images"))
    affines = read_cases(stored);
  else
    read_stacked(stored);
  affines.resize(stored.info.case_ids.size());
  if (stored.info.labelled && stored.info.class_names.empty())
    fail_format(file.group("/").where(), "has no attribute \"class_names\"");
  if (file.exists("/groups")) stored.info.groups = file.array("/groups").read_strings();
  read_splits(file, stored.info);
  require_consistent(stored.info, file.name());
  turn_cases(stored, affines);
  return stored;
}

}  // namespace voxgrad::data

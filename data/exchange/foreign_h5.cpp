// HDF5 files of others: which arrays are the image and the label, and what their axes are. Axes are never guessed: a
// layout documents them, the file names them, or the caller does.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

#include "data/exchange/layouts_detail.h"
#include "data/format.h"
#include "engine/error.h"
#include "engine/io/json.h"
#include "engine/names.h"

namespace voxgrad::data::exchange {
namespace {

// A layout: where the arrays are, and the axes that its documentation promises for 2, 3 and 4 axes ("" promises none).
struct Layout {
  const char *name, *image, *labels;  // `labels` may be a group, which then holds one array
  const char *axes2, *axes3, *axes4;
  bool instances;  // whether labels are numbers of objects
};
constexpr std::array<Layout, 7> kLayouts{{
    {"CREMI", "/volumes/raw", "/volumes/labels", "", "ZYX", "", true},
    {"pytorch-3dunet", "/raw", "/label", "", "ZYX", "CZYX", false},
    {"SSL4MIS", "/image", "/label", "YX", "ZYX", "", false},
    {"ilastik", "/exported_data", "", "", "", "", false},
    {"ilastik", "/volume/data", "", "", "", "", false},
    {"two arrays", "/images", "/labels", "", "", "", false},
    {"two arrays", "/data", "/label", "", "", "", false},
}};

bool is_array(const h5::File& file, const std::string& object) {
  return !object.empty() && file.exists(object) && !file.is_group(object);
}

const Layout* layout_of(const h5::File& file) {
  const auto at = std::find_if(kLayouts.begin(), kLayouts.end(),
                               [&](const Layout& layout) { return is_array(file, layout.image); });
  return at == kLayouts.end() ? nullptr : &*at;
}

constexpr int kLevels = 4;  // no known layout goes deeper

// All arrays of numbers with at least two axes below a group, each under one of its names.
std::vector<std::string> arrays_below(const h5::File& file, const std::string& root, int levels) {
  std::vector<std::string> found, groups{root};
  std::set<std::string> seen;  // a group may contain itself
  for (; levels > 0; --levels) {
    std::vector<std::string> below_them;
    for (const std::string& group : groups)
      for (const std::string& name : file.children(group)) {
        const std::string object = below(group, name);
        if (!seen.insert(file.target(object)).second) continue;
        if (file.is_group(object)) {
          below_them.push_back(object);
        } else if (const h5::Array array = file.array(object);
                   array.extents().dims() >= 2 && h5::size_of(array.element()) > 0) {
          found.push_back(object);
        }
      }
    groups = std::move(below_them);
  }
  return found;
}

[[noreturn]] void fail_objects(const h5::File& file, const std::string& what, const std::vector<std::string>& objects) {
  std::vector<std::string> shown;
  for (const std::string& object : objects)
    if (shown.size() < 8) shown.push_back(text(object, " ", file.array(object).extents()));
  throw Error(ErrorKind::data,
              text(file.path(), ": ", what, shown.empty() ? "; it has no arrays" : ": " + join(shown, ", ")),
              "name the arrays: FILE.h5:/image, and the place /label for the masks");
}

std::string image_object(const h5::File& file) {
  if (const Layout* layout = layout_of(file)) return layout->image;
  const std::vector<std::string> objects = arrays_below(file, "/", kLevels);
  if (objects.size() == 1) return objects[0];
  fail_objects(file, "none of the known layouts tells which array is the image", objects);
}

// The array of labels beside the image, or the group that holds it; "" if there is none.
std::string label_place(const h5::File& file) {
  if (const Layout* layout = layout_of(file);
      layout != nullptr && *layout->labels != '\0' && file.exists(layout->labels))
    return layout->labels;
  for (const char* name : {"/labels", "/mask", "/seg"})
    if (is_array(file, name)) return name;
  return "";
}

// The array of labels beside the image; with `alone` the file may hold nothing but a label. "" if there is none.
std::string label_object(const h5::File& file, bool alone) {
  const std::string place = label_place(file);
  if (place.empty()) return alone ? image_object(file) : "";
  if (!file.is_group(place)) return place;
  const std::vector<std::string> objects = arrays_below(file, place, 1);
  if (objects.size() == 1) return objects[0];
  fail_objects(file, "several arrays may be the label", objects);
}

std::string capitals(std::string letters) {
  for (char& c : letters) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return letters;
}

// "ZYXC" of ilastik's {"axes": [{"key": "z"}, ..]}.
std::string axes_of_tags(const h5::Array& array) {
  std::string axes;
  try {
    const JsonValue json = parse_json(array.string_attribute("axistags"));
    if (const JsonValue* list = json.find("axes"); list != nullptr && list->array() != nullptr)
      for (const JsonValue& axis : *list->array())
        if (const JsonValue* key = axis.find("key"); key != nullptr && key->string() != nullptr) axes += *key->string();
  } catch (const Error& error) {
    if (error.message().find(array.where()) != std::string::npos) throw;
    throw Error(ErrorKind::data, text(array.where(), ": axistags: ", error.message()), error.hint());
  }
  return capitals(axes);
}

constexpr std::string_view kLetters = "NTZYXC";

// Whether there is a letter of its own for each axis, Y and X among them.
bool fits(const std::string& axes, int dims) {
  const auto once = [&](char c) { return std::count(axes.begin(), axes.end(), c) == 1; };
  return std::ssize(axes) == dims && once('Y') && once('X') && std::all_of(axes.begin(), axes.end(), [&](char c) {
           return kLetters.find(c) != std::string_view::npos && once(c);
         });
}

// What the file says about its axes, "" if nothing. Axes that fit the array and were given win over damaged ones.
std::string named_axes(const h5::Array& array, const std::string& given) {
  const int dims = array.extents().dims();
  std::string axes;
  try {
    if (array.has_attribute("axistags"))
      axes = axes_of_tags(array);
    else if (array.has_attribute("axes"))
      axes = capitals(array.string_attribute("axes"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data || !fits(given, dims)) throw;
  }
  return fits(given, dims) && !fits(axes, dims) ? "" : axes;
}

// The letters of the axes as they are stored: X, Y, Z, C, N for samples, and T for an axis of extent 1.
// A mask has no axis of channels: where the given axes are those of the image, it is left out.
std::string axes_of(const h5::File& file, const std::string& object, const h5::Array& array, const std::string& given,
                    bool label) {
  const int dims = array.extents().dims();
  std::string axes = capitals(given);
  if (label && std::ssize(axes) == dims + 1) std::erase(axes, 'C');
  if (const std::string named = named_axes(array, axes); !named.empty()) {
    axes = named;
  } else if (const Layout* layout = layout_of(file); std::ssize(axes) != dims && layout != nullptr &&
                                                     (object == layout->image || object.starts_with(layout->labels))) {
    const std::string documented = dims == 2   ? layout->axes2
                                   : dims == 3 ? layout->axes3
                                   : dims == 4 ? layout->axes4
                                               : "";
    if (!documented.empty()) axes = documented;
  }
  if (axes.empty())
    throw Error(ErrorKind::data, text(array.where(), ": the file does not say what its axes ", array.extents(), " are"),
                text("use the axes ",
                     dims == 2   ? "YX"
                     : dims == 3 ? "ZYX"
                                 : "CZYX",
                     " if that is their order"));
  if (!fits(axes, dims))
    throw Error(
        ErrorKind::data,
        text(array.where(), ": the axes \"", axes.substr(0, 20), "\" do not fit extents ", array.extents()),
        "use the axes YX, ZYX, CZYX or NYXC: a letter for each, Z, Y and X in space, C for channels, N for cases");
  return axes;
}

// Copies an array with axes in any order to [*S, C].
Tensor ordered(const std::vector<float>& values, const Shape& extents, const std::string& axes, bool volume) {
  const std::string wanted = volume ? "ZYXC" : "YXC";
  Shape shape;
  std::vector<std::int64_t> strides;
  for (const char letter : wanted) {
    const std::size_t at = axes.find(letter);
    std::int64_t stride = 0, extent = 1;
    if (at != std::string::npos) {
      extent = extents[static_cast<int>(at)];
      stride = 1;
      for (int axis = static_cast<int>(at) + 1; axis < extents.dims(); ++axis) stride *= extents[axis];
    }
    shape.push_back(extent);
    strides.push_back(stride);
  }
  const Tensor result = empty(shape);
  float* out = result.data<float>();
  Shape index = Shape::filled(shape.dims(), 0);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    std::int64_t at = 0;
    for (int axis = 0; axis < shape.dims(); ++axis) at += index[axis] * nth(strides, axis);
    out[i] = nth(values, at);
    for (int axis = shape.dims() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
  }
  return result;
}

h5::Array image_array(const h5::File& file, const std::string& object) {
  const h5::Array array = file.array(object);
  if (h5::size_of(array.element()) == 0 || array.extents().dims() < 2 || array.extents().numel() == 0)
    throw Error(ErrorKind::data, text(array.where(), ": is ", h5::name_of(array.element()), " ", array.extents(),
                                      ", which is no image"));
  return array;
}

// CREMI says where a label begins in its image; all are read as if they began together.
void require_same_offset(const h5::Array& label, const h5::Array& image) {
  const auto offset_of = [](const h5::Array& array) {
    std::vector<double> offset;
    if (array.has_attribute("offset")) offset = array.numbers_attribute("offset");
    const bool none = std::all_of(offset.begin(), offset.end(), [](double v) { return v == 0; });
    return none ? std::vector<double>{} : offset;
  };
  const std::vector<double> there = offset_of(label), expected = offset_of(image);
  if (there == expected) return;
  const auto shown = [](const std::vector<double>& offset) {
    std::string list;
    for (const double v : offset) list += text(list.empty() ? "" : ", ", v);
    return list.empty() ? "0" : list;
  };
  throw Error(ErrorKind::data,
              text(label.where(), ": its offset is ", shown(there), ", that of the image ", shown(expected)),
              "cut or pad the arrays so that both begin at the same voxel, and give them the same offset");
}

[[noreturn]] void fail_sample(const h5::Array& array, std::int64_t sample, std::int64_t samples) {
  if (samples > 0) throw Error(ErrorKind::data, text(array.where(), ": sample ", sample, " outside 0..", samples - 1));
  throw Error(ErrorKind::data, text(array.where(), ": sample ", sample, " is named, but no axis N of samples is known"),
              text("leave [", sample, "] out, or use the axes NYX or NYXC if that is their order"));
}

// Throws unless the label has an axis N of so many samples.
void require_samples(const h5::File& file, const std::string& object, const std::string& given, std::int64_t samples) {
  const h5::Array label = image_array(file, object);
  const std::string axes = axes_of(file, object, label, given, true);
  const std::size_t axis = axes.find('N');
  if (axis != std::string::npos && label.extents()[static_cast<int>(axis)] == samples) return;
  throw Error(ErrorKind::data,
              text(label.where(), ": has the axes ", axes, " ", label.extents(), ", but its image has ", samples,
                   " samples along the axis N"),
              "store one label for each sample of the image, along an axis N");
}

// The case, or one for each sample if the axes of its image have an N; of a named sample that one alone.
void add_samples(const Source& source, const h5::File& file, const H5Place& image, const std::string& label,
                 const std::string& given, std::vector<Source>& cases) {
  const h5::Array array = image_array(file, image.object);
  const std::string named = named_axes(array, capitals(given)), axes = named.empty() ? capitals(given) : named;
  const std::size_t axis = axes.find('N');
  const bool stacked = axis != std::string::npos && fits(axes, array.extents().dims());
  if (!stacked && image.sample < 0) {
    cases.push_back(source);
    return;
  }
  const std::int64_t samples = stacked ? array.extents()[static_cast<int>(axis)] : 0;
  if (samples > kMostSamples)
    throw Error(ErrorKind::data,
                text(array.where(), ": has ", samples, " samples, at most ", kMostSamples, " are read"),
                "store them in several files");
  if (image.sample >= samples) fail_sample(array, image.sample, samples);
  if (!label.empty()) require_samples(file, label, given, samples);
  const std::size_t digits = std::to_string(samples - 1).size();
  for (std::int64_t i = 0; i < samples; ++i) {
    if (image.sample >= 0 && image.sample != i) continue;
    const std::string number = std::to_string(i);
    Source one = source;
    one.id += "_" + std::string(digits - number.size(), '0') + number;
    one.images[0] += "[" + number + "]";
    for (std::string& place : one.labels) place += "[" + number + "]";
    cases.push_back(std::move(one));
  }
}

}  // namespace

H5Place h5_place(const std::string& text) {
  for (std::size_t at = text.rfind(":/"); at != std::string::npos && at > 0; at = text.rfind(":/", at - 1)) {
    if (!is_file(text.substr(0, at))) continue;
    H5Place place{text.substr(0, at), text.substr(at + 1)};
    const std::size_t bracket = place.object.rfind('[');
    if (bracket == std::string::npos || !place.object.ends_with("]")) return place;
    const char *first = place.object.data() + bracket + 1, *last = place.object.data() + place.object.size() - 1;
    const auto [end, code] = std::from_chars(first, last, place.sample);
    if (code != std::errc{} || end != last || place.sample < 0)
      throw Error(ErrorKind::usage, "\"" + text + "\": the number in brackets is no sample",
                  "count the samples from 0, as in FILE.h5:/images[5]");
    place.object.resize(bracket);
    return place;
  }
  // A page of a TIFF, as stack.tif[5].
  const std::size_t bracket = text.rfind('[');
  H5Place page{text.substr(0, std::min(bracket, text.size())), ""};
  if (bracket == std::string::npos || !text.ends_with("]") || is_file(text) || !is_file(page.path)) return {text, ""};
  const char *first = text.data() + bracket + 1, *last = text.data() + text.size() - 1;
  const auto [end, code] = std::from_chars(first, last, page.sample);
  return code == std::errc{} && end == last && page.sample >= 0 ? page : H5Place{text, ""};
}

}  // namespace voxgrad::data::exchange

std::string voxgrad::data::file_of(const std::string& place) { return exchange::h5_place(place).path; }

namespace voxgrad::data::exchange {

Image read_h5(const std::string& place, const std::string& axes, bool label) {
  const H5Place where = h5_place(place);
  const std::int64_t sample = where.sample;
  const H5Array opened = kept_array(where, [&] {
    H5Array one{h5::File::open(where.path), where.object, {}};
    if (one.object.empty()) one.object = label ? label_object(one.file, true) : image_object(one.file);
    one.array = image_array(one.file, one.object);
    return one;
  });
  const h5::Array& array = opened.array;
  Image image;
  image.element = array.element();
  const std::string letters = axes_of(opened.file, opened.object, array, axes, label);
  const auto extent = [&](char letter) {
    const std::size_t at = letters.find(letter);
    return at == std::string::npos ? std::int64_t{1} : array.extents()[static_cast<int>(at)];
  };
  if (extent('T') != 1)
    throw Error(ErrorKind::data, text(array.where(), ": has ", extent('T'), " points of time"),
                "store each as a file of its own");
  Shape start = Shape::filled(array.extents().dims(), 0), count = array.extents();
  if (const std::size_t samples = letters.find('N'); samples != std::string::npos) {
    const int axis = static_cast<int>(samples);
    if (sample < 0)
      throw Error(ErrorKind::data, text(array.where(), ": has ", count[axis], " samples along the axis N"),
                  "name one of them, as FILE.h5:/images[0]");
    if (sample >= count[axis]) fail_sample(array, sample, count[axis]);
    start[axis] = sample;
    count[axis] = 1;
  } else if (sample >= 0) {
    fail_sample(array, sample, 0);
  }
  std::vector<float> values(static_cast<std::size_t>(count.numel()));
  if (label && array.element() == h5::Element::u64) {
    std::vector<std::uint64_t> numbers(values.size());
    array.read(start, count, h5::Element::u64, numbers.data());
    constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();  // CREMI's "no object"
    const bool cremi = opened.object.starts_with("/volumes/labels/");
    std::transform(numbers.begin(), numbers.end(), values.begin(),
                   [&](std::uint64_t number) { return cremi && number == kNone ? 0.0f : static_cast<float>(number); });
  } else {
    array.read(start, count, h5::Element::f32, values.data());
  }
  image.values = ordered(values, count, letters, extent('Z') > 1);
  read_place(array, letters, image);
  return image;
}

bool holds_labelled_image(const std::string& path) {
  const h5::File file = h5::File::open(path);
  return layout_of(file) != nullptr && !label_place(file).empty();
}

Discovery find_h5(const Entries& files, const DiscoverOptions& options) {
  Discovery found;
  std::map<std::string, int> layouts;
  bool patients = true;
  for (const Entry& entry : files) {
    const auto [path, named, sample] = h5_place(entry.path);
    if (is_dataset(path)) throw Error(ErrorKind::data, path + " is a dataset already: there is nothing to import");
    const h5::File file = h5::File::open(path);
    const Layout* layout = layout_of(file);
    const H5Place image{path, named.empty() ? image_object(file) : named, sample};
    Source source;
    source.id = entry.folder.empty() ? entry.stem : entry.folder + "/" + entry.stem;
    source.images = {path + ":" + image.object};
    std::string label;
    if (options.labels) {
      label = options.mask_folder.empty() ? label_object(file, false) : options.mask_folder;
      if (label.empty() || !is_array(file, label)) {
        const std::vector<std::string> objects = arrays_below(file, "/", kLevels);
        fail_objects(file, label.empty() ? "no array is called label" : "there is no array " + label, objects);
      }
      require_same_offset(file.array(label), file.array(image.object));
      source.labels = {path + ":" + label};
    }
    if (layout != nullptr && named.empty()) {
      ++layouts[text(layout->name, " (", layout->image, ")")];
      source.instances = layout->instances && options.labels;
    }
    source.group = patient_of(entry.stem);
    patients = patients && !source.group.empty();
    add_samples(source, file, image, label, options.axes, found.cases);
  }
  if (!patients)
    for (Source& source : found.cases) source.group.clear();
  if (patients && !files.empty()) found.notes.push_back(kNoteOfPatients);
  for (const auto& [name, count] : layouts)
    found.notes.push_back(text(count, count == 1 ? " file has" : " files have", " the layout of ", name, "."));
  return found;
}

}  // namespace voxgrad::data::exchange

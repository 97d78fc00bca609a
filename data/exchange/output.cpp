#include "data/exchange/output.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "data/attributes.h"
#include "data/h5/h5_writer.h"
#include "data/place.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

// Turns an array of a case back to the order of its file and gives it the place of the image there.
Image in_place_of(const Tensor& values, const Case& place, bool physical) {
  Image image;
  image.values = values;
  image.spacing = place.spacing;
  image.physical = physical;
  image.affine = place.affine;
  image.header = place.origin.header;
  const Shape extents = image.extents();
  if (place.origin.orientation.empty() || extents.dims() != 3) return image;
  const Turn back = turn_to_ras(place.origin.orientation).inverse();
  image.values = back(values);
  image.spacing = back(place.spacing);
  if (image.affine) image.affine = back(*image.affine, extents);
  return image;
}

// Returns the values of a mask as they are stored, with an axis of one channel. The type is that of the largest value
// of all classes, so that all masks of a set have one.
Tensor stored_values(const Tensor& labels, const MaskStyle& style) {
  std::array<std::int64_t, 256> values{};
  for (std::size_t label = 0; label < values.size(); ++label)
    values[label] = label < style.values.size() ? style.values[label] : static_cast<std::int64_t>(label);
  if (style.ignore >= 0 && style.unknown >= 0) nth(values, style.ignore) = style.unknown;
  const std::uint8_t* from = labels.data<std::uint8_t>();
  std::array<bool, 256> seen{};
  for (std::int64_t i = 0; i < labels.numel(); ++i) seen[from[i]] = true;
  std::map<std::int64_t, std::size_t> owner;
  std::int64_t most = style.unknown;
  for (const std::int64_t value : style.values) most = std::max(most, value);
  for (std::size_t label = 0; label < values.size(); ++label) {
    if (!seen[label]) continue;
    most = std::max(most, values[label]);
    const auto [other, is_new] = owner.emplace(values[label], label);
    if (!is_new)
      throw Error(ErrorKind::data,
                  text("labels ", other->second, " and ", label, " would both be written as ", values[label]),
                  "give every class and the unknown voxels a value of their own in the label map");
    if (values[label] < 0 || values[label] > kMostMaskValue)
      throw Error(ErrorKind::data,
                  text("label ", label, " would be written as ", values[label], ", masks hold 0..", kMostMaskValue));
  }
  const Tensor result = empty(labels.shape() + Shape{1}, most > 255 ? DType::f32 : DType::u8);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    if (most > 255)
      result.data<float>()[i] = static_cast<float>(values[from[i]]);
    else
      result.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(values[from[i]]);
  return result;
}

constexpr Colour kNoClass{224, 224, 192};  // of voxels that are unknown, as in Pascal VOC

// The colours at the places of the values, up to the largest label.
std::vector<Colour> palette_of(const MaskStyle& style, std::size_t labels) {
  std::size_t classes = std::max(style.values.size(), style.colours.size());
  if (classes == 0) classes = labels;
  const std::vector<Colour> others = default_colours(static_cast<std::int64_t>(classes));
  std::vector<Colour> palette;
  for (std::size_t c = 0; c < classes; ++c) {
    const std::size_t at = c < style.values.size() ? static_cast<std::size_t>(style.values[c]) : c;
    if (palette.size() <= at) palette.resize(at + 1, kNoClass);
    palette[at] = c < style.colours.size() ? style.colours[c] : others[c];
  }
  // Masks of black and white stay so.
  if (style.colours.empty() && style.values == std::vector<std::int64_t>{0, 255}) palette[255] = {255, 255, 255};
  palette.resize(std::max(palette.size(), labels), kNoClass);
  return palette;
}

// Writes one array, as programs for HDF5 without a format of their own read it.
void write_h5(const std::string& path, const std::string& name, const Image& image, bool channels) {
  h5::Writer out(path);
  const Shape extents = channels ? image.values.shape() : image.extents();
  const bool bytes = image.values.dtype() == DType::u8;
  out.create(name, image.element, extents, h5::chunk_of(extents, false, image.extents().dims(), image.element));
  out.write(name, Shape::filled(extents.dims(), 0), extents, bytes ? h5::Element::u8 : h5::Element::f32,
            image.values.raw());
  out.attribute(name, "axes", std::string(image.extents().dims() == 3 ? "ZYX" : "YX") + (channels ? "C" : ""));
  out.attribute(name, "spacing", image.spacing);
  out.attribute(name, "spacing_unit", std::string(image.physical ? kMillimetres : kPixels));
  write_place(out, name, image.affine, {});
  out.save();
}

Kind writable_kind(const std::string& path, int dims) {
  const std::optional<Kind> kind = kind_of_name(path);
  const char* reason = kind ? why_unwritten(*kind) : nullptr;
  if (!kind || reason != nullptr)
    throw Error(ErrorKind::usage,
                text(path, ": masks cannot be written as such a file", reason != nullptr ? ": " : "",
                     reason != nullptr ? reason : ""),
                dims == 2 ? "use the ending .png, .tif, .nii.gz or .h5" : "use the ending .nii.gz, .tif or .h5");
  if (*kind == Kind::png && dims == 3)
    throw Error(ErrorKind::usage, path + ": a PNG holds no volume", "use the ending .nii.gz, .tif or .h5");
  return *kind;
}

std::string plain(const std::string& name) {
  std::string result;
  for (const char c : name)
    result +=
        std::isalnum(static_cast<unsigned char>(c)) || c == '-' || (static_cast<unsigned char>(c) & 0x80) ? c : '_';
  return result;
}

}  // namespace

std::vector<std::int64_t> values_of_classes(const std::map<int, int>& label_map, std::int64_t classes) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(classes), -1);
  for (const auto& [value, label] : label_map)
    if (label < classes && nth(values, label) < 0) nth(values, label) = value;
  const auto none = std::find(values.begin(), values.end(), -1);
  if (none != values.end())
    throw Error(ErrorKind::data, text("the label map gives no value to class ", none - values.begin()));
  return values;
}

std::vector<Colour> default_colours(std::int64_t classes) {
  // Sky blue, vermilion, yellow, bluish green, reddish purple, blue, orange.
  static constexpr Colour kColours[]{{0x56, 0xB4, 0xE9}, {0xD5, 0x5E, 0x00}, {0xF0, 0xE4, 0x42}, {0x00, 0x9E, 0x73},
                                     {0xCC, 0x79, 0xA7}, {0x00, 0x72, 0xB2}, {0xE6, 0x9F, 0x00}};
  std::vector<Colour> colours{{0, 0, 0}};
  for (std::int64_t c = 1; c < classes; ++c) {
    Colour colour = kColours[(c - 1) % std::ssize(kColours)];
    // Darker each time they come again, and as at first where they would become black.
    for (std::int64_t round = (c - 1) / std::ssize(kColours) % 5; round > 0; --round)
      for (std::uint8_t& part : colour) part = static_cast<std::uint8_t>(part * 0.8);
    colours.push_back(colour);
  }
  return colours;
}

Kind mask_kind(Kind image) { return why_unwritten(image) != nullptr ? Kind::png : image; }

std::string ending_of(Kind kind) {
  switch (kind) {
    case Kind::png: return ".png";
    case Kind::jpeg: return ".jpg";
    case Kind::bmp: return ".bmp";
    case Kind::gif: return ".gif";
    case Kind::tiff: return ".tif";
    case Kind::nifti: return ".nii.gz";
    case Kind::hdf5: return ".h5";
  }
  return "";
}

void write_mask(const std::string& path, const Tensor& labels, const Case& place, bool physical,
                const MaskStyle& style) {
  const Kind kind = writable_kind(path, labels.dims());
  Image image = in_place_of(stored_values(labels, style), place, physical);
  const bool wide = image.values.dtype() == DType::f32;
  image.element = wide ? h5::Element::u16 : h5::Element::u8;
  if (kind == Kind::hdf5) return write_h5(path, "/label", image, false);
  if (kind == Kind::png && !wide) {
    const std::uint8_t* values = image.values.data<std::uint8_t>();
    image.palette = palette_of(style, std::size_t{1} + *std::max_element(values, values + labels.numel()));
  }
  write_image(path, image);
}

std::vector<std::string> probability_files(const std::string& path, const std::vector<std::string>& class_names) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string stem = (folder / (stem_of(path) + "_probabilities")).string();
  const Kind kind = kind_of_name(path).value_or(Kind::nifti);
  if (kind != Kind::png) return {stem + ending_of(kind)};
  std::vector<std::string> files;
  for (std::size_t c = 0; c < class_names.size(); ++c)
    files.push_back(text(stem, "_", c, "_", plain(class_names[c]), ".png"));
  return files;
}

void write_probabilities(const std::string& path, const Tensor& probabilities, const Case& place, bool physical,
                         const std::vector<std::string>& class_names) {
  const Kind kind = writable_kind(path, probabilities.dims() - 1);
  const std::vector<std::string> files = probability_files(path, class_names);
  Image image = in_place_of(probabilities, place, physical);
  image.element = kind == Kind::png ? h5::Element::u16 : h5::Element::f32;
  if (kind == Kind::hdf5) return write_h5(files.front(), "/probabilities", image, true);
  if (kind != Kind::png) return write_image(files.front(), image);
  const std::int64_t classes = probabilities.extent(-1), pixels = image.extents().numel();
  check(std::ssize(files) == classes, "write_probabilities: ", files.size(), " class names for ", classes, " classes");
  Image one = image;
  one.values = empty(image.extents() + Shape{1});
  for (std::int64_t c = 0; c < classes; ++c) {
    for (std::int64_t i = 0; i < pixels; ++i)
      one.values.data<float>()[i] = std::round(65535 * image.values.data<float>()[i * classes + c]);
    write_image(nth(files, c), one);
  }
}

}  // namespace voxgrad::data

// Reads the image and the labels of a case from its files.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "data/exchange/layouts_detail.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

using namespace exchange;

constexpr double kSilent = 1e-4, kTolerated = 1e-3;  // relative differences of places in space
constexpr const char* kLentPlace =
    ": The file does not say how it lies in space, so it lies as the other files of its case.";
constexpr float kExact = 16777216;  // f32 holds all whole numbers up to here

[[noreturn]] void fail_file(const std::string& path, const std::string& problem, const std::string& hint = {}) {
  throw Error(ErrorKind::data, path + ": " + problem, hint);
}

// A difference with two digits.
std::string small_number(double value) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.2g", value);
  return buffer.data();
}

std::string name_of_file(const std::string& path) { return std::filesystem::path(path).filename().string(); }

bool is_h5(const std::string& path) { return kind_of_file(h5_place(path).path) == Kind::hdf5; }

// Keeps the first `kept` channels.
void keep_channels(Image& image, std::int64_t kept) {
  const std::int64_t channels = image.channels(), voxels = image.extents().numel();
  const Tensor result = empty(image.extents() + Shape{kept});
  const float* from = image.values.data<float>();
  float* to = result.data<float>();
  for (std::int64_t i = 0; i < voxels; ++i, from += channels, to += kept) std::copy(from, from + kept, to);
  image.values = result;
}

void require_finite(const Image& image, const std::string& path) {
  const float* values = image.values.data<float>();
  const float* const end = values + image.values.numel();
  const float* const bad = std::find_if(values, end, [](float value) { return !std::isfinite(value); });
  if (bad == end) return;
  const Shape extents = image.extents();
  Shape voxel = extents;
  std::int64_t at = (bad - values) / image.channels();
  for (int axis = extents.dims() - 1; axis >= 0; at /= extents[axis--]) voxel[axis] = at % extents[axis];
  fail_file(path,
            text("value ",
                 std::isnan(*bad) ? "nan"
                 : *bad > 0       ? "inf"
                                  : "-inf",
                 " at voxel ", voxel),
            "replace values that are not finite, for instance by 0");
}

// Grey with alpha and colours with alpha. Where every pixel is opaque the channel says nothing; where not, what the
// picture shows depends on what is behind it.
void drop_alpha(Image& image, const std::string& path) {
  const std::int64_t channels = image.channels(), voxels = image.extents().numel();
  const float opaque = image.element == h5::Element::u8 ? 255.0f : image.element == h5::Element::u16 ? 65535.0f : -1;
  if ((channels != 2 && channels != 4) || image.extents().dims() != 2 || opaque < 0) return;
  const Kind kind = kind_of_file(h5_place(path).path);
  if (kind != Kind::png && kind != Kind::tiff) return;
  const float* values = image.values.data<float>();
  std::int64_t transparent = 0;
  for (std::int64_t i = 0; i < voxels; ++i) transparent += values[i * channels + channels - 1] != opaque ? 1 : 0;
  if (transparent == 0) return keep_channels(image, channels - 1);
  if (kind == Kind::png)  // the further channels of a TIFF may be anything
    fail_file(path, text(transparent, " pixels are transparent, so it has no colours of its own there"),
              "save it without an alpha channel");
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::abs(a[i] - b[i]) / std::max(std::abs(a[i]), std::abs(b[i])));
  return largest;
}

// `turned`: whether a tag says to show one of them turned.
void require_extents(const Shape& a, const Shape& b, const std::string& path, const std::string& other,
                     bool turned = false) {
  if (a == b) return;
  Shape swapped;
  for (int axis = b.dims() - 1; axis >= 0; --axis) swapped.push_back(b[axis]);
  fail_file(path, text("has the extents ", a, ", but ", name_of_file(other), " has ", b),
            a != swapped ? "image and mask must show the same pixels: do not resize or crop one alone"
            : turned ? "a tag says to show one of them turned (Exif's orientation), and the other has the size of what "
                       "is shown: turn the stored pixels, for example with exiftran -ai or mogrify -auto-orient"
                     : "the axes of one of them are stored in the opposite order; save it again with those of the "
                       "other");
}

// Both have the same extents. A small difference is written into `notes`.
void require_same_place(const Image& a, const Image& b, const std::string& path, const std::string& other,
                        std::vector<std::string>& notes) {
  double apart = 0;
  if (a.physical && b.physical) apart = difference(a.spacing, b.spacing);
  if (a.affine && b.affine) apart = std::max(apart, distance_between(*a.affine, *b.affine, a.extents()));
  if (a.slice && b.slice)  // whatever the distance to the next slice
    apart = std::max(apart, distance_between(*a.slice, *b.slice, Shape{0} + a.extents()));
  if (!(apart <= kTolerated))
    fail_file(path,
              text("lies elsewhere in space than ", name_of_file(other), ", by ", small_number(apart), " of its size"),
              "resample one of them to the grid of the other, or copy the header if only that is wrong");
  if (apart > kSilent)
    notes.push_back(text(path, " and ", name_of_file(other), ", ", small_number(apart),
                         " of their size apart: These files of a case differ a little in their place in space."));
}

// The orientation in which an image is stored, "" without an affine.
std::string order_of(const Image& image, const std::string& path) {
  if (!image.affine || image.extents().dims() != 3) return "";
  try {
    return orientation_of(*image.affine);
  } catch (const Error& error) {
    fail_file(path, error.message(), error.hint());
  }
}

// Turns values, affine and spacing to RAS. Returns the orientation before, "" without an affine.
std::string turn(Image& image, const std::string& path) {
  const std::string orientation = order_of(image, path);
  if (orientation.empty()) return "";
  const Turn to_ras = turn_to_ras(orientation);
  const Shape extents = image.extents();
  image.values = to_ras(image.values);
  image.affine = to_ras(*image.affine, extents);
  image.spacing = to_ras(image.spacing);
  return orientation;
}

void append_channels(Image& image, const Image& more) {
  const std::int64_t a = image.channels(), b = more.channels(), voxels = image.extents().numel();
  const Tensor result = empty(image.extents() + Shape{a + b});
  for (std::int64_t i = 0; i < voxels; ++i) {
    float* to = result.data<float>() + i * (a + b);
    std::copy_n(image.values.data<float>() + i * a, a, to);
    std::copy_n(more.values.data<float>() + i * b, b, to + a);
  }
  image.values = result;
  if (h5::size_of(more.element) > h5::size_of(image.element)) image.element = more.element;
}

}  // namespace

std::vector<std::int32_t> exchange::label_values(Image& image, const std::string& path, SourceLabel& label) {
  drop_alpha(image, path);
  round_labels(image, path);
  for (const std::string& note : image.notes) label.notes.push_back(path + ": " + note);
  bool& colours = label.colours;
  const std::int64_t channels = image.channels(), voxels = image.extents().numel();
  const float* values = image.values.data<float>();
  if (channels == 3)
    for (std::int64_t i = 0; i < voxels && !colours; ++i)
      colours = values[3 * i] != values[3 * i + 1] || values[3 * i] != values[3 * i + 2];
  if (channels != 1 && channels != 3)
    fail_file(path, text("has ", channels, " channels; a mask has one value for each pixel, or a colour"),
              "store one value per voxel; one mask per class is no layout that is read");
  if (colours && image.element != h5::Element::u8)
    fail_file(path, text("has colours of type ", h5::name_of(image.element), "; those of a mask have 8 bits"));
  std::vector<std::int32_t> result(static_cast<std::size_t>(voxels));
  for (std::int64_t i = 0; i < voxels; ++i) {
    const float* v = values + i * channels;
    if (!(std::abs(v[0]) <= kExact)) fail_file(path, text("the label ", v[0], " is beyond what is read, ", kExact));
    const auto byte = [&](int c) { return static_cast<std::int32_t>(v[c]); };
    nth(result, i) = colours ? byte(0) << 16 | byte(1) << 8 | byte(2) : byte(0);
  }
  return result;
}

namespace {

bool may_lie_in_space(const Image& image) { return image.extents().dims() == 3; }

// The files of a case have one grid. Where only some say how they lie in space, the others lie as those: `image` takes
// the place of `known`. Both are as they are stored.
void lend_place(Image& image, const std::string& path, const Image& known, const std::string& of,
                std::vector<std::string>& notes) {
  require_extents(image.extents(), known.extents(), path, of);
  require_same_place(image, known, path, of, notes);
  image.affine = known.affine;
  image.spacing = known.spacing;
  image.physical = known.physical;
  notes.push_back(path + kLentPlace);
}

[[noreturn]] void fail_orders(const std::string& path) {
  fail_file(path, "does not say how it lies in space, and the other files of its case are stored in different orders",
            "save all files of the case with the header of one of them");
}

// Gives a place to those images that have none, from the other images of the case or else from its labels. Returns
// whether all that have one are stored in the same order.
bool complete_places(std::vector<Image>& images, const Source& source, const std::string& axes) {
  const auto placed = [](const Image& image) { return image.affine.has_value(); };
  if (!std::all_of(images.begin(), images.end(), may_lie_in_space)) return true;
  std::optional<Image> of_label;
  const auto first = std::find_if(images.begin(), images.end(), placed);
  const Image* known = first == images.end() ? nullptr : &*first;
  std::string path = known == nullptr ? "" : nth(source.images, first - images.begin());
  for (std::size_t i = 0; i < source.labels.size() && known == nullptr; ++i) {
    path = source.labels[i];
    if (const Kind kind = kind_of_file(h5_place(path).path); kind != Kind::hdf5 && kind != Kind::nifti) continue;
    of_label = read_any(path, axes, true);
    if (placed(*of_label)) known = &*of_label;
  }
  if (known == nullptr) return true;
  bool one_order = true;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (placed(images[i])) one_order = one_order && order_of(images[i], source.images[i]) == order_of(*known, path);
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (placed(images[i])) continue;
    if (!one_order) fail_orders(source.images[i]);
    lend_place(images[i], source.images[i], *known, path, images[i].notes);
  }
  if (of_label && order_of(*known, path) != "RAS")
    images[0].notes.push_back(
        source.images[0] +
        ": Its mask alone says how it lies, and it was turned so. An image that is predicted has no "
        "mask and is not turned, so save the images as NIfTI with the header of their masks.");
  return one_order;
}

Image read_label_image(const std::string& path, const SourceImage& image, const std::string& axes, SourceLabel& label) {
  const Kind kind = kind_of_file(h5_place(path).path);
  require_no_jpeg(path, kind);
  // A mask has one value for each voxel, so the pages of one beside a volume can only be its slices.
  const bool slices = axes.empty() && kind == Kind::tiff && image.image.extents().dims() == 3;
  Image read = read_any(path, slices ? "ZYX" : axes, true);
  if (read.lossy) require_no_jpeg(path, Kind::jpeg);
  if (turn(read, path).empty() && !image.origin.orientation.empty() && may_lie_in_space(read)) {
    if (!image.one_order) fail_orders(path);
    const Turn to_ras = turn_to_ras(image.origin.orientation);  // stored beside the image
    read.values = to_ras(read.values);
    read.spacing = to_ras(read.spacing);
    label.notes.push_back(path + kLentPlace);
  }
  require_extents(read.extents(), image.image.extents(), path, image.origin.path, image.image.turned || read.turned);
  require_same_place(read, image.image, path, image.origin.path, label.notes);
  return read;
}

}  // namespace

Image exchange::read_any(const std::string& path, const std::string& axes, bool label) {
  if (is_h5(path)) return read_h5(path, axes, label);
  const H5Place place = h5_place(path);
  return read_image(place.path, {axes, place.sample});
}

SourceImage read_source_image(const Source& source, const std::string& axes, bool volume) {
  check(!source.images.empty(), "read_source_image: the case ", source.id, " has no image");
  std::vector<Image> images;
  for (const std::string& path : source.images) {
    Image image = read_any(path, axes, false);
    for (std::string& note : image.notes) note = path + ": " + note;
    if (image.extents().numel() == 0) fail_file(path, "has no pixels");
    require_finite(image, path);
    apply_palette(image);
    if (!is_h5(path)) drop_alpha(image, path);
    if (volume && image.slice) {
      image.values = image.values.alias(0, Shape{1} + image.values.shape());
      image.affine = std::exchange(image.slice, std::nullopt);
      image.spacing = spacing_of(*image.affine);
    }
    images.push_back(std::move(image));
  }
  SourceImage result;
  result.one_order = complete_places(images, source, axes);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string& path = source.images[i];
    Image image = std::move(images[i]);
    const std::string orientation = turn(image, path);
    if (i == 0) {
      result.origin = {h5_place(path).path, kind_of_file(h5_place(path).path), image.header, orientation};
      result.image = std::move(image);
      continue;
    }
    require_extents(image.extents(), result.image.extents(), path, source.images[0]);
    require_same_place(image, result.image, path, source.images[0], result.image.notes);
    append_channels(result.image, image);
    std::move(image.notes.begin(), image.notes.end(), std::back_inserter(result.image.notes));
  }
  return result;
}

bool has_channels(const std::string& image, std::int64_t channels, const std::string& axes) {
  Source source;
  source.images = {image};
  try {
    return read_source_image(source, axes).image.channels() == channels;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data && error.kind() != ErrorKind::usage) throw;
    return false;  // whoever reads it says what is wrong
  }
}

SourceLabel read_source_label(const Source& source, const SourceImage& image, const std::string& axes) {
  check(!source.labels.empty(), "read_source_label: the case ", source.id, " has no label");
  SourceLabel label;
  if (source.labels.size() == 1) {
    Image read = read_label_image(source.labels[0], image, axes, label);
    label.values = label_values(read, source.labels[0], label);
    label.palette = std::move(read.palette);
    return label;
  }
  label.values.resize(static_cast<std::size_t>(image.image.extents().numel()));
  std::int32_t object = 0;
  for (const std::string& path : source.labels) {  // what is not 0 in a file is its object
    ++object;
    Image read = read_label_image(path, image, axes, label);
    const std::vector<std::int32_t> values = label_values(read, path, label);
    std::int32_t other = 0;  // the value that is not 0
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == 0) continue;
      if (label.colours || (other != 0 && values[i] != other))
        fail_file(path, "has several values beside 0; the mask of one object has one");
      other = values[i];
      label.values[i] = object;
    }
  }
  return label;
}

}  // namespace voxgrad::data

// Where the voxels of an HDF5 array of others lie, as its attributes say it.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "data/attributes.h"
#include "data/exchange/layouts_detail.h"
#include "data/place.h"
#include "engine/error.h"
#include "engine/io/file_rules.h"

namespace voxgrad::data::exchange {
namespace {

// Whether `spacing` is in millimetres.
bool in_millimetres(const h5::Array& array) {
  const std::string unit = array.string_attribute("spacing_unit");
  if (unit != kMillimetres && unit != kPixels)
    throw Error(ErrorKind::data,
                text(array.where(), ": spacing_unit is \"", unit, "\", expected ", kMillimetres, " or ", kPixels),
                "store the spacing in millimetres");
  return unit == kMillimetres;
}

// A spacing without a unit is read as in format 1, in millimetres for z, y, x, where that is possible: no convention
// says what else it may be.
void read_plain_spacing(const h5::Array& array, const std::string& letters, Image& image) {
  const auto dims = static_cast<std::size_t>(image.extents().dims());
  const auto leave = [&](const std::string& why) {
    image.notes.push_back(text(array.where(), ": The attribute spacing is not read: ", why, "."));
  };
  std::vector<double> steps;
  try {
    steps = array.numbers_attribute("spacing");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::data) throw;
    return leave("it is no list of numbers");
  }
  std::string order;
  for (const char letter : letters)
    if (letter == 'X' || letter == 'Y' || letter == 'Z') order += letter;
  if (order != "ZYX" && order != "YX") return leave("the array has the axes " + order);
  if (steps.size() < dims || steps.size() > 3) return leave(text("it has ", steps.size(), " numbers"));
  steps.erase(steps.begin(), steps.end() - static_cast<std::ptrdiff_t>(dims));  // of slices, that of the volume
  if (!std::ranges::all_of(steps, is_spacing)) return leave("it is not positive");
  image.spacing = steps;
  image.physical = true;
}

// The numbers of an attribute, for z, y, x, times the millimetres of its unit. Error(data) for what is no spacing.
void read_sizes(const h5::Array& array, const std::string& letters, const char* name, double millimetres,
                Image& image) {
  const int dims = image.extents().dims();
  std::vector<double> sizes = array.numbers_attribute(name);
  if (std::ssize(sizes) < dims || std::ssize(sizes) > array.extents().dims())
    throw Error(ErrorKind::data, text(array.where(), ": ", name, " has ", sizes.size(), " numbers for ", dims, " axes"),
                "store one number for each axis, in the order z, y, x");
  if (dims == 3 && letters.ends_with('C') && sizes.size() == letters.size()) sizes.pop_back();  // of the channels
  for (int axis = 0; axis < dims; ++axis) {
    const double size = nth(sizes, std::ssize(sizes) - dims + axis), step = size * millimetres;
    if (!is_spacing(step))
      throw Error(ErrorKind::data,
                  text(array.where(), ": ", name, " has the value ", size, ", expected positive sizes of voxels, ",
                       kLeastSpacing, " .. ", kMostSpacing, " mm"),
                  "correct the attribute");
    nth(image.spacing, axis) = step;
  }
  image.physical = true;
}

// The spacing in the file: as write_h5() says it, in nanometres of CREMI, in micrometres of pytorch-3dunet, or without
// a unit.
void read_spacing(const h5::Array& array, const std::string& letters, Image& image) {
  image.spacing.assign(static_cast<std::size_t>(image.extents().dims()), 1.0);
  if (array.has_attribute("spacing_unit") && array.has_attribute("spacing")) {
    read_sizes(array, letters, "spacing", 1, image);
    image.physical = in_millimetres(array);
  } else if (array.has_attribute("resolution")) {
    read_sizes(array, letters, "resolution", 1e-6, image);
  } else if (array.has_attribute("element_size_um")) {
    read_sizes(array, letters, "element_size_um", 1e-3, image);
  } else if (array.has_attribute("spacing")) {
    read_plain_spacing(array, letters, image);
  }
}

}  // namespace

void read_place(const h5::Array& array, const std::string& letters, Image& image) {
  read_spacing(array, letters, image);
  // As write_h5() says it; that of others may map x, y, z.
  if (image.extents().dims() != 3 || !array.has_attribute("spacing_unit")) return;
  image.affine = read_affine(array);
  if (!image.affine) return;
  try {
    orientation_of(*image.affine);
  } catch (const Error& error) {
    throw Error(ErrorKind::data, text(array.where(), ": ", error.message()), "correct its attribute affine");
  }
  const std::vector<double> steps = spacing_of(*image.affine);
  const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-3 * b; };
  if (image.physical && !std::equal(steps.begin(), steps.end(), image.spacing.begin(), near))
    throw Error(
        ErrorKind::data,
        text(array.where(), ": its affine has the spacing ", steps[0], ", ", steps[1], ", ", steps[2],
             " along z, y, x, its attributes have ", image.spacing[0], ", ", image.spacing[1], ", ", image.spacing[2]),
        "correct one of them, or remove it");
  image.spacing = steps;
  image.physical = true;
}

}  // namespace voxgrad::data::exchange

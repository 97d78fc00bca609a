// Small files as they lie in folders of other people.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/exchange/source.h"
#include "data/h5/h5_writer.h"
#include "tests/files.h"
#include "tests/test.h"

namespace voxgrad::test {

using data::Colour;
using data::Image;

// Makes the folders above a file.
inline std::string made(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  return path;
}

inline Image image_of(const Shape& extents, const std::vector<float>& values, std::int64_t channels = 1,
                      data::h5::Element element = data::h5::Element::u8) {
  Image image;
  image.values = from_vector(extents + Shape{channels}, values);
  image.element = element;
  image.spacing.assign(static_cast<std::size_t>(extents.dims()), 1.0);
  return image;
}

// Values that are asked of f(i) for each element.
inline Image image_of(const Shape& extents, std::int64_t channels, const std::function<int(std::int64_t)>& f,
                      data::h5::Element element = data::h5::Element::u8) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < extents.numel() * channels; ++i) values.push_back(static_cast<float>(f(i)));
  return image_of(extents, values, channels, element);
}

// A picture of 6 x 8 pixels whose values differ from pixel to pixel, grey unless there are more channels.
inline void write_picture(const std::string& path, std::int64_t channels = 1, const Shape& extents = {6, 8}) {
  write_image(made(path), image_of(extents, channels, [](std::int64_t i) { return static_cast<int>(i * 37 % 200); }));
}

// A mask of 6 x 8 pixels: the left half has the first value, the right half is divided among the others.
inline void write_mask(const std::string& path, const std::vector<int>& values = {0, 1},
                       const Shape& extents = {6, 8}) {
  const std::int64_t width = extents[-1], others = std::ssize(values) - 1;
  write_image(made(path), image_of(extents, 1, [&](std::int64_t i) {
                const std::int64_t x = i % width, y = i / width;
                return others == 0 || x < width / 2 ? values[0] : nth(values, 1 + y % others);
              }));
}

// A volume in NIfTI whose axes x, y, z grow along these steps.
inline void write_volume(const std::string& path, const Shape& extents, const std::function<int(std::int64_t)>& f,
                         const std::array<double, 3>& steps = {1, 1, 1},
                         data::h5::Element element = data::h5::Element::i16) {
  Image image = image_of(extents, 1, f, element);
  data::Affine affine{};
  for (std::size_t k = 0; k < 3; ++k) affine[k][k] = steps[k];
  image.affine = affine;
  image.spacing = data::spacing_of(affine);
  image.physical = true;
  write_image(made(path), image);
}

// An array of an HDF5 file with values 0, 1, 2 .. modulo `period`.
inline void add_array(data::h5::Writer& out, const std::string& object, const Shape& extents, int period,
                      data::h5::Element element = data::h5::Element::u8) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < extents.numel(); ++i) values.push_back(static_cast<float>(i % period));
  out.create(object, element, extents);
  out.write(object, Shape::filled(extents.dims(), 0), extents, data::h5::Element::f32, values.data());
}

inline std::vector<std::string> ids_of(const data::Discovery& found) {
  std::vector<std::string> ids;
  for (const data::Source& source : found.cases) ids.push_back(source.id);
  return ids;
}

// The words of all notes.
inline std::string notes_of(const std::vector<std::string>& notes) {
  std::string all;
  for (const std::string& note : notes) all += note + "\n";
  return all;
}

}  // namespace voxgrad::test

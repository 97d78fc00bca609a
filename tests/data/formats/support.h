// What the tests of image files share.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/formats/image.h"
#include "tests/data/formats/files.h"
#include "tests/files.h"
#include "tests/test.h"

namespace voxgrad::test {

// Reads bytes as a file of this name.
inline data::Image read_as(const std::string& name, const std::string& bytes, const std::string& axes = {}) {
  const Folder folder;
  write_bytes(folder.file(name), bytes);
  return data::read_image(folder.file(name), {axes});
}
inline std::string refusal(const std::string& name, const std::string& bytes, const std::string& axes = {}) {
  return error_of([&] { read_as(name, bytes, axes); });
}

inline std::vector<float> values(const data::Image& image) { return image.values.to_vector<float>(); }
// Whether one of the notes has this part.
inline bool noted(const data::Image& image, const std::string& part) {
  return std::ranges::any_of(image.notes, [&](const std::string& note) { return contains(note, part); });
}

// An image with the values 0, step, 2 step, .. and a spacing of 1.
inline data::Image ramp(const Shape& shape, data::h5::Element element, float step = 1) {
  data::Image image;
  image.values = empty(shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i) image.values.data<float>()[i] = static_cast<float>(i) * step;
  image.element = element;
  image.spacing.assign(static_cast<std::size_t>(shape.dims() - 1), 1.0);
  return image;
}

// Every beginning of a file, up to `end` bytes, is refused; none is read.
inline bool every_beginning_is_refused(const std::string& name, const std::string& bytes,
                                       std::size_t end = std::string::npos) {
  for (std::size_t size = 0; size < std::min(end, bytes.size()); ++size) {
    if (refusal(name, bytes.substr(0, size)).empty()) {
      MESSAGE(name << ": its first " << size << " bytes of " << bytes.size() << " are read");
      return false;
    }
  }
  return true;
}

}  // namespace voxgrad::test

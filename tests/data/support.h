// What the tests of this folder share: small datasets, comparison of cases.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "data/writer.h"
#include "engine/random.h"
#include "tests/files.h"

namespace voxgrad::test {

template <class T>
bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<T>() == b.to_vector<T>();
}

// A case of random u8 intensities and labels 0 .. classes - 1.
inline data::Case random_case(const Shape& shape, std::int64_t channels, std::int64_t classes, Random random) {
  data::Case one;
  one.id = "case_" + std::to_string(random.key() % 100000);
  one.spacing.assign(static_cast<std::size_t>(shape.dims()), 1.0);
  Shape image = shape;
  image.push_back(channels);
  one.image = empty(image);
  one.label = empty(shape, DType::u8);
  for (std::int64_t i = 0; i < image.numel(); ++i) one.image.data<float>()[i] = static_cast<float>(random.below(256));
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    one.label.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.below(classes));
  return one;
}

inline data::DatasetContents random_contents(const std::vector<Shape>& shapes, std::int64_t channels,
                                             std::int64_t classes, std::uint64_t seed = 1) {
  data::DatasetContents contents;
  for (std::int64_t c = 0; c < classes; ++c) contents.class_names.push_back("class " + std::to_string(c));
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    contents.cases.push_back(random_case(shapes[i], channels, classes, Random(seed).fork(i)));
    contents.cases.back().id = "img_" + std::string(i < 10 ? "00" : "0") + std::to_string(i);
  }
  return contents;
}

// Returns the folder of real datasets that VOXGRAD_REAL_DATA names, or "" if there are none.
inline std::string real_data() {
  const char* folder = std::getenv("VOXGRAD_REAL_DATA");
  return folder != nullptr && std::filesystem::exists(std::filesystem::path(folder) / "nuclei.h5") ? folder : "";
}

}  // namespace voxgrad::test

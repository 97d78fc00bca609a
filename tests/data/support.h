// What the tests of this folder share: folders that disappear, small datasets, comparison of cases.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/random.h"

namespace voxgrad::test {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "voxgrad-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

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

// The folder of the real datasets, or "" where they are absent.
inline std::string real_data() {
  const char* named = std::getenv("VOXGRAD_REAL_DATA");
  const std::filesystem::path folder =
      named != nullptr ? named : std::filesystem::path(VOXGRAD_SOURCE_DIR) / ".." / "shared" / "datasets";
  return std::filesystem::exists(folder / "nuclei.h5") ? folder.string() : "";
}

}  // namespace voxgrad::test

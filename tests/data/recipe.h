// A small file in format 1, made piece by piece, so that a test can make any piece of it wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/h5/h5_writer.h"
#include "tests/data/support.h"
#include "tests/test.h"

namespace voxgrad::test {

namespace h5 = data::h5;
using data::Dataset;
using data::DatasetOptions;

// A file of two 2 x 3 images with two channels, good unless something is changed before it is written.
struct Recipe {
  std::string axes = "NYXC", label_axes = "NYX";
  Shape images{2, 2, 3, 2}, labels{2, 2, 3};
  h5::Element image_element = h5::Element::u16, label_element = h5::Element::u8;
  std::vector<float> image_values;  // 0, 1, 2, .. if empty
  std::vector<std::uint8_t> label_values{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1};
  std::vector<std::string> case_ids{"img_000", "img_001"}, groups;
  std::vector<std::string> class_names{"background", "cell"};
  std::vector<double> spacing{1, 1};
  std::string format = "voxgrad-dataset";
  std::int64_t version = 1;
  std::string without;  // an object or attribute that is left out
  std::map<std::string, std::vector<std::int64_t>> splits;
  std::function<void(h5::Writer&)> more = [](h5::Writer&) {};

  void write(const std::string& path) const {
    h5::Writer out(path);
    if (without != "format") out.attribute("/", "format", format);
    if (without != "format_version") out.attribute("/", "format_version", version);
    if (without != "class_names") out.attribute("/", "class_names", class_names);
    if (without != "/images") {
      out.create("/images", image_element, images);
      std::vector<float> values = image_values;
      if (values.empty()) {
        values.resize(static_cast<std::size_t>(images.numel()));
        std::iota(values.begin(), values.end(), 0.0f);
      }
      out.write("/images", Shape::filled(images.dims(), 0), images, h5::Element::f32, values.data());
      if (without != "axes") out.attribute("/images", "axes", axes);
      if (without != "spacing") out.attribute("/images", "spacing", spacing);
    }
    if (without != "/labels") {
      out.create("/labels", label_element, labels);
      out.write("/labels", Shape::filled(labels.dims(), 0), labels, h5::Element::u8, label_values.data());
      if (without != "label axes") out.attribute("/labels", "axes", label_axes);
    }
    if (without != "/case_ids") out.texts("/case_ids", case_ids);
    if (!groups.empty()) out.texts("/groups", groups);
    if (!splits.empty()) out.group("/splits");
    for (const auto& [name, indices] : splits) {
      if (name.find('/') != std::string::npos && indices.empty()) continue;
      const Shape size{std::ssize(indices)};
      out.create("/splits/" + name, h5::Element::i32, size);
      out.write("/splits/" + name, {0}, size, h5::Element::i64, indices.data());
    }
    more(out);
    out.save();
  }
};

// What reading a whole file with this recipe throws, with the hint; "" if it reads.
inline std::string refusal(const std::function<void(Recipe&)>& change, const DatasetOptions& options = {}) {
  const Folder folder;
  Recipe recipe;
  change(recipe);
  recipe.write(folder.file("cells.h5"));
  return error_of([&] {
    const Dataset dataset = Dataset::open(folder.file("cells.h5"), options);
    for (std::int64_t i = 0; i < dataset.size(); ++i) dataset.read(i);
  });
}

inline Dataset open_recipe(const Folder& folder, const std::function<void(Recipe&)>& change,
                           const DatasetOptions& options = {}) {
  Recipe recipe;
  change(recipe);
  recipe.write(folder.file("cells.h5"));
  return Dataset::open(folder.file("cells.h5"), options);
}

}  // namespace voxgrad::test

// Probabilities of labels in a dataset file: what is read, what is refused, and what a writer makes of them.
#include "data/probabilities.h"

#include <cmath>
#include <limits>

#include "data/writer.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// The probabilities of the recipe's two images of 2 x 3 voxels, and how they are stored.
struct Stored {
  std::vector<float> values{1, 0, 0.25f, 0.75f, 0, 1, 1, 0, 0.5f, 0.5f, 0, 1,   // the first image
                            1, 0, 1,     0,     1, 0, 1, 0, 0,    1,    0, 0};  // the last voxel is ignored
  Shape extents{2, 2, 3, 2};
  std::string axes = "NYXC";
  h5::Element element = h5::Element::f32;
  std::int64_t crc = -1;  // -1: none is stored
};

// A change of a recipe: it gets these probabilities.
std::function<void(Recipe&)> with(Stored stored) {
  return [=](Recipe& recipe) {
    recipe.more = [=](h5::Writer& out) {
      const std::string name = "/label_probabilities";
      out.create(name, stored.element, stored.extents);
      out.write(name, Shape::filled(stored.extents.dims(), 0), stored.extents, h5::Element::f32, stored.values.data());
      if (!stored.axes.empty()) out.attribute(name, "axes", stored.axes);
      if (stored.crc >= 0) out.attribute(name, "crc32", stored.crc);
    };
  };
}

std::function<void(Recipe&)> with_value(std::size_t at, float value) {
  Stored stored;
  stored.values[at] = value;
  return with(stored);
}

// Cases whose probabilities are quarters, which f32 adds and subtracts without rounding.
DatasetContents probable_contents(const std::vector<Shape>& shapes, std::int64_t classes) {
  DatasetContents contents = random_contents(shapes, 1, classes);
  for (Case& one : contents.cases) {
    one.probabilities = zeros(one.label.shape() + Shape{classes});
    float* voxel = one.probabilities.data<float>();
    for (std::int64_t v = 0; v < one.label.numel(); ++v, voxel += classes) {
      voxel[one.label.data<std::uint8_t>()[v]] += 0.75f;
      voxel[v % classes] += 0.25f;
    }
  }
  return contents;
}

}  // namespace

TEST_CASE("probabilities: read beside the labels, if they are asked for") {
  const Folder folder;
  const Dataset dataset = open_recipe(folder, with({}));
  const std::vector<float> stored = Stored().values;
  CHECK(dataset.info().probabilities);
  CHECK(!dataset.read(0).probabilities.defined());
  CHECK(dataset.read(0, true).probabilities.shape() == Shape{2, 3, 2});
  CHECK(dataset.read(0, true).probabilities.to_vector<float>() ==
        std::vector<float>(stored.begin(), stored.begin() + 12));
  CHECK(dataset.read(1, true).probabilities.to_vector<float>() ==
        std::vector<float>(stored.begin() + 12, stored.end()));
  CHECK(dataset.read(0).label.to_vector<int>() == std::vector<int>{0, 1, 1, 0, 0, 1});
  const Dataset without = open_recipe(folder, [](Recipe&) {});
  CHECK(!without.info().probabilities);
  CHECK(contains(error_of([&] { without.read(0, true); }), "has no label probabilities"));
}

TEST_CASE("probabilities: sums that are off by little become 1, and ignored labels go first") {
  const Folder folder;
  Stored stored;
  stored.values[0] = 0.9995f;
  const auto change = [&](Recipe& recipe) {
    with(stored)(recipe);
    recipe.label_values[1] = 255;
  };
  const std::vector<float> read = open_recipe(folder, change).read(0, true).probabilities.to_vector<float>();
  CHECK(read[0] == 1);
  CHECK((read[2] == 0 && read[3] == 0));
}

TEST_CASE("probabilities: what is refused") {
  const auto check_refusal = [](const std::function<void(Recipe&)>& change, const std::string& message) {
    const std::string found = refusal(change);
    CHECK_MESSAGE(contains(found, message), "expected: ", message, "\nfound: ", found);
  };
  const std::string where = "dataset /label_probabilities of cells.h5";
  CHECK(refusal(with({})) == "");
  Stored other;
  other.axes = "NCYX";
  check_refusal(with(other), where + ": axes are \"NCYX\", expected NYXC");
  other.axes = "";
  check_refusal(with(other), where + ": has no attribute \"axes\"");
  other = {};
  other.extents = {2, 3, 2, 2};
  check_refusal(with(other), "extents are [2, 3, 2, 2], the images need [2, 2, 3, 2]");
  other.extents = {2, 2, 2, 3};  // three classes, the file names two
  check_refusal(with(other), "extents are [2, 2, 2, 3], the images need [2, 2, 3, 2]");
  other = {};
  other.element = h5::Element::f64;
  check_refusal(with(other), where + ": is f64, expected f32");
  other = {};
  other.crc = 1;
  check_refusal(with(other), "label_probabilities: crc32 is ");
  for (const float bad : {-0.25f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    check_refusal(with_value(13, bad), text("label_probabilities: case 1 (\"img_001\"): value ", bad));
  check_refusal(with_value(1, 0.01f),
                "label_probabilities: case 0 (\"img_000\"): the probabilities of a voxel add up to 1.01");
  check_refusal(with_value(0, 0.5f), "add up to 0.5, expected 1, or 0 where the voxel is ignored");
  check_refusal(
      [](Recipe& recipe) {
        with({})(recipe);
        recipe.without = "/labels";
      },
      "cells.h5: has label_probabilities, but no labels\nhint: store the likeliest class as labels too");
  // What is wrong with the second case stops the reading of the first; without verify() the case itself is checked.
  const Folder folder;
  CHECK(contains(error_of([&] { open_recipe(folder, with_value(13, -1)).read(0); }), "case 1"));
  const Dataset unverified = open_recipe(folder, with_value(13, -1), {.label_map = {}, .verify = false});
  CHECK(unverified.read(0, true).probabilities.defined());
  CHECK(contains(error_of([&] { unverified.read(1, true); }), "case 1 (\"img_001\"): value -1 is no probability"));
}

TEST_CASE("probabilities: written and read again, stacked or case by case") {
  const Folder folder;
  for (const auto& shapes :
       std::vector<std::vector<Shape>>{{{4, 5}, {4, 5}}, {{4, 5}, {3, 6}}, {{2, 4, 5}, {3, 3, 4}}}) {
    const DatasetContents contents = probable_contents(shapes, 3);
    write_dataset(folder.file("p.h5"), contents);
    const Dataset dataset = Dataset::open(folder.file("p.h5"));
    CHECK(dataset.info().probabilities);
    CHECK(dataset.info().probabilities_crc32 != 0);
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      const Case one = dataset.read(i, true);
      CHECK(same<float>(one.probabilities, nth(contents.cases, i).probabilities));
      CHECK(same<int>(one.label, nth(contents.cases, i).label));
    }
  }
}

TEST_CASE("probabilities: turned to RAS with the volume") {
  const Folder folder;
  h5::Writer out(folder.file("t.h5"));
  out.attribute("/", "format", std::string("voxgrad-dataset"));
  out.attribute("/", "format_version", std::int64_t{1});
  out.attribute("/", "class_names", std::vector<std::string>{"background", "cell"});
  out.group("/cases");
  out.group("/cases/a");
  const auto put = [&](const std::string& name, h5::Element element, const Shape& extents, const char* axes,
                       const std::vector<float>& values) {
    out.create("/cases/a/" + name, element, extents);
    out.write("/cases/a/" + name, Shape::filled(extents.dims(), 0), extents, h5::Element::f32, values.data());
    out.attribute("/cases/a/" + name, "axes", std::string(axes));
  };
  put("image", h5::Element::f32, {1, 1, 2, 1}, "ZYXC", {1, 2});
  put("label", h5::Element::u8, {1, 1, 2}, "ZYX", {0, 1});
  put("label_probabilities", h5::Element::f32, {1, 1, 2, 2}, "ZYXC", {0.75f, 0.25f, 0.5f, 0.5f});
  out.attribute("/cases/a", "spacing", std::vector<double>{1, 1, 1});
  out.attribute("/cases/a", "affine", std::vector<double>{-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
  out.save();
  const Case one = Dataset::open(folder.file("t.h5")).read(0, true);
  CHECK(one.image.to_vector<float>() == std::vector<float>{2, 1});
  CHECK(one.label.to_vector<int>() == std::vector<int>{1, 0});
  CHECK(one.probabilities.to_vector<float>() == std::vector<float>{0.5f, 0.5f, 0.75f, 0.25f});
}

TEST_CASE("probabilities: every case has them or none, and a writer refuses what a reader would") {
  const Folder folder;
  const auto written = [&](const std::function<void(DatasetContents&)>& change) {
    DatasetContents contents = probable_contents({{4, 5}, {4, 5}}, 2);
    change(contents);
    return error_of([&] { write_dataset(folder.file("p.h5"), contents); });
  };
  CHECK(written([](DatasetContents&) {}) == "");
  CHECK(
      contains(written([](DatasetContents& c) { c.cases[1].probabilities = Tensor(); }), "every case has label prob"));
  CHECK(contains(written([](DatasetContents& c) { c.cases[0].probabilities = zeros({4, 5, 3}); }), "expected f32"));
  CHECK(contains(written([](DatasetContents& c) { c.cases[1].probabilities.data<float>()[0] = -1; }),
                 "case 1 (\"img_001\"): value -1 is no probability"));
}

TEST_CASE("probabilities: after an interpolation they add up to 1, or the voxel is ignored") {
  const Tensor p = from_vector<float>({4, 2}, {0, 1, 0.25f, 0.5f, 0.25f, 0.2f, 0, 0});
  normalise_probabilities(p);
  const std::vector<float> found = p.to_vector<float>();
  CHECK((found[0] == 0 && found[1] == 1));
  CHECK(std::abs(found[2] - 1.0f / 3) < 1e-7f);
  CHECK(std::abs(found[3] - 2.0f / 3) < 1e-7f);
  CHECK(std::vector<float>(found.begin() + 4, found.end()) == std::vector<float>{0, 0, 0, 0});
}

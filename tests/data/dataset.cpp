// Reading format 1: every layout. What is wrong with a file: refusals.cpp.
#include "data/dataset.h"

#include <hdf5.h>
#include <zlib.h>

#include <filesystem>

#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

void check_equal(const Case& read, const Case& written) {
  CHECK(read.id == written.id);
  CHECK(read.group == written.group);
  CHECK(read.spacing == written.spacing);
  CHECK(same<float>(read.image, written.image));
  CHECK(same<std::uint8_t>(read.label, written.label));
}

}  // namespace

TEST_CASE("dataset: the good file, so that the bad ones are bad for one reason") {
  CHECK(refusal([](Recipe&) {}) == "");
  const Folder folder;
  const Dataset dataset = open_recipe(folder, [](Recipe&) {});
  CHECK(dataset.size() == 2);
  CHECK(dataset.classes() == 2);
  CHECK(dataset.info().name == "cells");
  CHECK(dataset.info().dims == 2);
  CHECK(dataset.info().channels == 2);
  CHECK(dataset.info().ignore_label == 255);
  const Case second = dataset.read(1);
  CHECK(second.image.shape() == Shape{2, 3, 2});
  CHECK(second.image.to_vector<float>() == std::vector<float>{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
  CHECK(second.label.to_vector<int>() == std::vector<int>{0, 0, 0, 0, 1, 1});
  CHECK_THROWS_AS(dataset.read(2), Error);
}

TEST_CASE("dataset: what was written is read, in both layouts, two and three dimensions, one and more channels") {
  const std::vector<std::vector<Shape>> all_shapes{
      {{5, 7}, {5, 7}, {5, 7}}, {{5, 7}, {4, 9}}, {{3, 4, 5}, {3, 4, 5}}, {{3, 4, 5}, {6, 2, 7}, {1, 1, 1}}};
  for (const std::vector<Shape>& shapes : all_shapes)
    for (const std::int64_t channels : {1, 3})
      for (const DType dtype : {DType::u8, DType::f32}) {
        INFO(shapes.size() << " cases from " << shapes[0] << ", " << channels << " channels, " << dtype);
        const Folder folder;
        DatasetContents contents = random_contents(shapes, channels, 3);
        contents.image_dtype = dtype;
        contents.attributes = {{"license", "CC0-1.0"}, {"modality", "MR"}};
        contents.splits = {{"train", {1}}, {"test", {0}}, {"fold_0/train", {0}}, {"fold_0/val", {1}}, {"val", {}}};
        for (Case& one : contents.cases) {
          one.group = "patient " + one.id;
          one.spacing[0] = 0.25;
        }
        write_dataset(folder.file("d.h5"), contents);
        const Dataset dataset = Dataset::open(folder.file("d.h5"));
        REQUIRE(dataset.size() == static_cast<std::int64_t>(shapes.size()));
        for (std::size_t i = 0; i < shapes.size(); ++i)
          check_equal(dataset.read(static_cast<std::int64_t>(i)), contents.cases[i]);
        CHECK(dataset.read_label(1).to_vector<std::uint8_t>() == contents.cases[1].label.to_vector<std::uint8_t>());
        CHECK(dataset.info().attributes == contents.attributes);
        CHECK(dataset.info().splits == contents.splits);
        CHECK(dataset.info().class_names == contents.class_names);
        CHECK(dataset.split("fold_0/val") == std::vector<std::int64_t>{1});
        CHECK(dataset.info().images_crc32 != 0);
      }
}

TEST_CASE("dataset: both layouts have the checksum of the same bytes") {
  const Folder folder;
  DatasetContents contents = random_contents({{4, 5}, {4, 5}}, 2, 2);
  write_dataset(folder.file("one.h5"), contents);
  contents.cases[1].spacing = {2, 2};  // no longer one array
  write_dataset(folder.file("many.h5"), contents);
  const Dataset one = Dataset::open(folder.file("one.h5")), many = Dataset::open(folder.file("many.h5"));
  CHECK(one.info().images_crc32 == many.info().images_crc32);
  CHECK(one.info().labels_crc32 == many.info().labels_crc32);
  CHECK(one.info().spacings[1] != many.info().spacings[1]);
  // Without the checksum of one case that of all is not known.
  const std::string second = "/cases/" + many.info().case_ids[1] + "/label";
  std::filesystem::copy(folder.file("many.h5"), folder.file("some.h5"));
  const hid_t file = H5Fopen(folder.file("some.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(H5Adelete_by_name(file, second.c_str(), "crc32", H5P_DEFAULT) >= 0);
  H5Fclose(file);
  const Dataset some = Dataset::open(folder.file("some.h5"));
  CHECK(some.info().images_crc32 == one.info().images_crc32);
  CHECK(some.info().labels_crc32 == 0);
}

TEST_CASE("dataset: channels first") {
  const Folder folder;
  const Dataset flat = open_recipe(folder, [](Recipe& r) {
    r.axes = "NCYX";
    r.images = {2, 2, 2, 3};
  });
  CHECK(flat.read(0).image.shape() == Shape{2, 3, 2});
  CHECK(flat.read(0).image.to_vector<int>() == std::vector<int>{0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11});
  const Dataset volume = open_recipe(folder, [](Recipe& r) {
    r.axes = "NCZYX";
    r.images = {2, 2, 1, 2, 3};
    r.label_axes = "NZYX";
    r.labels = {2, 1, 2, 3};
    r.spacing = {3, 1, 1};
  });
  CHECK(volume.info().dims == 3);
  CHECK(volume.read(1).image.shape() == Shape{1, 2, 3, 2});
  CHECK(volume.read(1).image.to_vector<int>() == std::vector<int>{12, 18, 13, 19, 14, 20, 15, 21, 16, 22, 17, 23});

  h5::Writer out(folder.file("cases.h5"));
  out.attribute("/", "format", std::string("voxgrad-dataset"));
  out.attribute("/", "format_version", std::int64_t{1});
  out.attribute("/", "class_names", std::vector<std::string>{"background", "cell"});
  out.group("/cases");
  out.group("/cases/b");
  const std::vector<float> values{0, 1, 2, 3, 4, 5, 6, 7};
  const std::vector<std::uint8_t> labels{0, 1, 1, 0};
  out.array("/cases/b/image", h5::Element::f32, {2, 2, 2}, values.data());
  out.attribute("/cases/b/image", "axes", std::string("CYX"));
  out.attribute("/cases/b/image", "spacing", std::vector<double>{1, 2});
  out.array("/cases/b/label", h5::Element::u8, {2, 2}, labels.data());
  out.attribute("/cases/b/label", "axes", std::string("YX"));
  out.save();
  const Dataset cases = Dataset::open(folder.file("cases.h5"));
  CHECK(cases.read(0).id == "b");
  CHECK(cases.read(0).image.to_vector<int>() == std::vector<int>{0, 4, 1, 5, 2, 6, 3, 7});
  CHECK(cases.read(0).spacing == std::vector<double>{1, 2});
}

TEST_CASE("dataset: a chunk that holds several cases, larger images than one piece of the verification") {
  const Folder folder;
  const std::string path = folder.file("d.h5");
  Recipe recipe;
  recipe.without = "/images";
  recipe.labels = {4, 2100, 2100};
  recipe.label_values.assign(4 * 2100 * 2100, 0);
  recipe.label_values.back() = 1;
  recipe.case_ids = {"a", "b", "c", "d"};
  recipe.more = [](h5::Writer& out) {
    const Shape extents{4, 2100, 2100, 2}, chunk{2, 512, 700, 2};
    std::vector<float> values(4 * 2100 * 2100 * 2);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / 8820000);
    out.array("/images", h5::Element::f32, extents, values.data(), chunk);
    out.attribute("/images", "axes", std::string("NYXC"));
    out.attribute("/images", "spacing", std::vector<double>{1, 1});
    const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(values.data()), values.size() * sizeof(float));
    out.attribute("/images", "crc32", static_cast<std::uint32_t>(crc));
  };
  recipe.write(path);
  const Dataset dataset = Dataset::open(path);
  CHECK(error_of([&] { dataset.verify(); }) == "");
  const Case third = dataset.read(2);
  CHECK(third.image.data<float>()[0] == 2);
  CHECK(third.image.data<float>()[third.image.numel() - 1] == 2);
}

TEST_CASE("dataset: the real ones") {
  const std::string folder = real_data();
  if (folder.empty()) {
    MESSAGE("skipped: no real data in VOXGRAD_REAL_DATA");
    CHECK(true);
    return;
  }
  const Dataset nuclei = Dataset::open(folder + "/nuclei.h5"), brain = Dataset::open(folder + "/hippocampus.h5");
  nuclei.verify();
  brain.verify();
  CHECK(nuclei.size() == 96);
  CHECK(nuclei.info().shapes[95] == Shape{256, 256});
  CHECK(nuclei.info().class_names == std::vector<std::string>{"background", "nucleus"});
  CHECK(nuclei.read(3).image.shape() == Shape{256, 256, 1});
  CHECK(brain.size() == 48);
  CHECK(brain.classes() == 3);
  CHECK(brain.info().shapes[0] == Shape{40, 56, 40});
  CHECK(brain.split("train").size() == 33);
  CHECK(brain.split("val").size() == 7);
  CHECK(brain.split("test").size() == 8);
  CHECK(brain.info().images_crc32 == 2517476276u);
}

// Masks and probabilities in the place of an image: values, colours, the order of a file's axes, names of files.
#include "data/exchange/output.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/ops.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::Case, data::Image, data::Kind;

namespace {

Tensor labels_of(const Shape& extents, std::int64_t classes) {
  const Tensor labels = empty(extents, DType::u8);
  Random random(5);
  for (std::int64_t i = 0; i < labels.numel(); ++i)
    labels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(classes)));
  return labels;
}

Case place_of(int dims, const std::string& orientation = "") {
  Case place;
  place.id = "x";
  place.spacing.assign(static_cast<std::size_t>(dims), 1.0);
  place.origin.orientation = orientation;
  return place;
}

std::vector<float> floats(const Tensor& labels) { return labels.to(DType::f32).to_vector<float>(); }

}  // namespace

TEST_CASE("a mask has the values of its classes, in 16 bits where 8 do not hold them") {
  const Folder folder;
  const Tensor labels = labels_of({5, 7}, 3);
  data::write_mask(folder.file("a.png"), labels, place_of(2), false);
  CHECK(data::read_image(folder.file("a.png")).values.to_vector<float>() == floats(labels));
  data::write_mask(folder.file("b.png"), labels, place_of(2), false, {.values = {0, 300, 65535}});
  const Image wide = data::read_image(folder.file("b.png"));
  CHECK(wide.element == data::h5::Element::u16);
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const float expected[]{0, 300, 65535};
    CHECK(wide.values.data<float>()[i] == expected[labels.data<std::uint8_t>()[i]]);
  }
  // All masks of a set have one type, also those in which the class of the large value is absent.
  data::write_mask(folder.file("c.png"), labels_of({5, 7}, 2), place_of(2), false, {.values = {0, 7, 1000}});
  CHECK(data::read_image(folder.file("c.png")).element == data::h5::Element::u16);
  data::write_mask(folder.file("d.png"), labels_of({5, 7}, 2), place_of(2), false, {.unknown = 300, .values = {0, 7}});
  CHECK(data::read_image(folder.file("d.png")).element == data::h5::Element::u16);
}

TEST_CASE("every class has a colour, whatever the style leaves out") {
  const Folder folder;
  data::write_mask(folder.file("a.png"), labels_of({4, 4}, 200), place_of(2), false);
  CHECK(data::read_image(folder.file("a.png")).values.to_vector<float>() == floats(labels_of({4, 4}, 200)));
  data::write_mask(folder.file("b.png"), labels_of({4, 4}, 2), place_of(2), false, {.colours = {{1, 2, 3}, {4, 5, 6}}});
  CHECK(data::read_image(folder.file("b.png")).palette.at(1) == data::Colour{4, 5, 6});
  const std::vector<data::Colour> many = data::default_colours(255);
  REQUIRE(many.size() == 255);
  CHECK(many[1] == many[1]);
  CHECK(many[1] != many[8]);
  for (std::size_t c = 1; c < many.size(); ++c) CHECK(*std::max_element(many[c].begin(), many[c].end()) >= 64);
}

TEST_CASE("a volume is written in the order in which its file has the axes") {
  if (!data::has_nifti()) return;
  const Folder folder;
  Case place = place_of(3, "PSL");
  place.spacing = {3, 2, 1};
  place.affine = data::Affine{{{1, 0, 0, -10}, {0, 2, 0, 20}, {0, 0, 3, 30}}};
  const Tensor labels = labels_of({3, 4, 5}, 3);
  data::write_mask(folder.file("m.nii.gz"), labels, place, true);
  const Image mask = data::read_image(folder.file("m.nii.gz"));
  const data::Turn turn = data::turn_to_ras("PSL");
  REQUIRE(mask.affine.has_value());
  CHECK(data::orientation_of(*mask.affine) == "PSL");
  CHECK(turn(mask.values).to_vector<float>() == floats(labels));
  CHECK(turn(mask.spacing) == place.spacing);
  const data::Affine back = turn(*mask.affine, mask.extents());
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 4; ++column)
      CHECK(back[row][column] == doctest::Approx((*place.affine)[row][column]));
}

TEST_CASE("a picture has no place in space, whatever its case says of its source") {
  const Folder folder;
  const Tensor labels = labels_of({4, 5}, 2);
  data::write_mask(folder.file("a.png"), labels, place_of(2, "PSL"), false);
  CHECK(data::read_image(folder.file("a.png")).values.to_vector<float>() == floats(labels));
  CHECK(contains(error_of([] { data::turn_to_ras("PSL")(std::vector<double>{1, 1}); }), "a spacing of 2 axes"));
}

TEST_CASE("black and white stay so, and unknown voxels do not look like the background") {
  const Folder folder;
  Tensor labels = labels_of({4, 4}, 2);
  data::write_mask(folder.file("a.png"), labels, place_of(2), false, {.values = {0, 255}});
  CHECK(data::read_image(folder.file("a.png")).palette.at(255) == data::Colour{255, 255, 255});
  labels.data<std::uint8_t>()[3] = 255;
  data::write_mask(folder.file("b.png"), labels, place_of(2), false, {.colours = {{0, 0, 0}, {9, 9, 9}}});
  CHECK(data::read_image(folder.file("b.png")).palette.at(255) == data::Colour{224, 224, 192});
}

TEST_CASE("a mask as HDF5 is one array") {
  const Folder folder;
  const Tensor labels = labels_of({3, 4, 5}, 3);
  data::write_mask(folder.file("m.h5"), labels, place_of(3), true, {.values = {0, 7, 300}});
  const data::h5::Array array = data::h5::File::open(folder.file("m.h5")).array("/label");
  CHECK(array.element() == data::h5::Element::u16);
  CHECK(array.string_attribute("axes") == "ZYX");
  std::vector<std::int64_t> values(60);
  array.read_all(data::h5::Element::i64, values.data());
  const std::int64_t expected[]{0, 7, 300};
  for (std::int64_t i = 0; i < 60; ++i) CHECK(nth(values, i) == expected[labels.data<std::uint8_t>()[i]]);
}

TEST_CASE("probabilities of a picture are one file for each class") {
  const Folder folder;
  const Tensor p = softmax(random_normal({6, 5, 2}, 3));
  const std::string path = folder.file("scan.png");
  const std::vector<std::string> files = data::probability_files(path, {"background", "a/b"});
  REQUIRE(files.size() == 2);
  CHECK(files[1] == folder.file("scan_probabilities_1_a_b.png"));
  data::write_probabilities(path, p, place_of(2), false, {"background", "a/b"});
  const Image one = data::read_image(files[1]);
  for (std::int64_t i = 0; i < 30; ++i)
    CHECK(one.values.data<float>()[i] == std::round(65535 * p.data<float>()[2 * i + 1]));
}

TEST_CASE("kinds that cannot hold a mask are refused with one that can") {
  const Folder folder;
  const Tensor flat = labels_of({4, 4}, 2), volume = labels_of({4, 4, 4}, 2);
  CHECK(contains(error_of([&] { data::write_mask(folder.file("m.jpg"), flat, place_of(2), false); }), "JPEG changes"));
  CHECK(
      contains(error_of([&] { data::write_mask(folder.file("m.txt"), flat, place_of(2), false); }), "use the ending"));
  CHECK(contains(error_of([&] { data::write_mask(folder.file("m.png"), volume, place_of(3), false); }), "no volume"));
  CHECK(data::mask_kind(Kind::jpeg) == Kind::png);
  CHECK(contains(error_of([&] { data::write_mask(folder.file("m.bmp"), flat, place_of(2), false); }), "only read"));
  CHECK(data::mask_kind(Kind::gif) == Kind::png);
  CHECK(data::values_of_classes({{0, 0}, {4, 2}, {1, 1}, {2, 1}}, 3) == std::vector<std::int64_t>{0, 1, 4});
  CHECK(contains(error_of([&] { data::values_of_classes({{0, 0}}, 2); }), "no value to class 1"));
}

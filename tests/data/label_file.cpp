// Files of labels: every kind of array that holds labels is read, and what is no label is refused.
#include "data/label_file.h"

#include <limits>

#include "data/h5/h5_writer.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// Writes a file whose labels are two images of 1 x 3, changed before it is saved.
void write_labels(
    const Folder& folder, h5::Element element, const std::vector<std::int64_t>& values,
    const std::function<void(h5::Writer&)>& change = [](h5::Writer&) {}) {
  h5::Writer writer(folder.file("l.h5"));
  writer.create("/labels", element, {2, 1, 3});
  writer.write("/labels", {0, 0, 0}, {2, 1, 3}, h5::Element::i64, values.data());
  change(writer);
  writer.save();
}

LabelFile opened(
    const Folder& folder, h5::Element element, const std::vector<std::int64_t>& values,
    const std::function<void(h5::Writer&)>& change = [](h5::Writer&) {}) {
  write_labels(folder, element, values, change);
  return LabelFile(folder.file("l.h5"));
}

}  // namespace

TEST_CASE("label file: every type of whole numbers is read, and only values of a label are taken") {
  const Folder folder;
  for (const h5::Element element : {h5::Element::u8, h5::Element::i16, h5::Element::u32, h5::Element::i64}) {
    const LabelFile file = opened(folder, element, {0, 1, 2, 3, 4, 255});
    CHECK(file.case_ids() == std::vector<std::string>{"0", "1"});
    CHECK(!file.has_case_ids());
    CHECK(file.ignore_label() == -1);
    CHECK(file.read(1).shape() == Shape{1, 3});
    CHECK(file.read(1).to_vector<int>() == std::vector<int>{3, 4, 255});
    CHECK(file.spacing(1).empty());
    CHECK(file.classes() == 5);
  }
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{256}}) {
    const LabelFile file = opened(folder, h5::Element::i16, {0, 1, 2, 3, bad, 1});
    CHECK(contains(error_of([&] { file.read(0); }), text("label ", bad, " outside 0..255")));
  }
  const auto floats = [&](float value) {
    h5::Writer writer(folder.file("f.h5"));
    const std::vector<float> values{0, 1.02f, 1.98f, value};
    writer.array("/labels", h5::Element::f32, {1, 2, 2}, values.data());
    writer.save();
    std::vector<int> read;
    const std::string refused = error_of([&] { read = LabelFile(folder.file("f.h5")).read(0).to_vector<int>(); });
    return refused.empty() ? text(read[0], read[1], read[2], read[3]) : refused;
  };
  CHECK(floats(2.9999999f) == "0123");
  CHECK(contains(floats(0.5f), "dataset /labels of f.h5: label 0.5 is no whole number"));
  CHECK(contains(floats(-1), "label -1 outside 0..255"));
  CHECK(contains(floats(300), "label 300 outside 0..255"));
  CHECK(contains(floats(std::numeric_limits<float>::quiet_NaN()), "label nan is no whole number"));
  CHECK(contains(floats(std::numeric_limits<float>::infinity()), "label inf outside 0..255"));
}

TEST_CASE("label file: attributes that cannot be meant are refused") {
  const Folder folder;
  const auto refused = [&](const std::function<void(h5::Writer&)>& change) {
    return error_of([&] { opened(folder, h5::Element::u8, {0, 1, 2, 3, 4, 5}, change).spacing(0); });
  };
  // 2^32 + 1 must not become 1, and with it a class that counts for nothing.
  for (const std::int64_t bad : {std::int64_t{-7}, std::int64_t{256}, (std::int64_t{1} << 32) + 1})
    CHECK(contains(refused([&](h5::Writer& out) { out.attribute("/", "ignore_label", bad); }),
                   text("file l.h5: ignore_label is ", bad, ", expected 0..255")));
  for (const std::vector<double>& bad : {std::vector<double>{1}, {1, 0}, {1, -2}, {1, 1, 1}, {1e10, 1e10}, {1e-300, 1}})
    CHECK(contains(refused([&](h5::Writer& out) { out.attribute("/labels", "spacing", bad); }),
                   "spacing must be 2 positive numbers"));
  CHECK(contains(refused([](h5::Writer& out) { out.texts("/case_ids", {"a"}); }), "1 case_ids for 2 labels"));
}

TEST_CASE("label file: what a dataset is refused for, in the same words") {
  const Folder folder;
  const auto refused = [&](
                           const std::vector<std::int64_t>& values, const LabelFileOptions& options = {},
                           const std::function<void(h5::Writer&)>& change = [](h5::Writer&) {}) {
    write_labels(folder, h5::Element::u8, values, change);
    return error_of([&] { LabelFile(folder.file("l.h5"), options).read(1); });
  };
  const LabelFileOptions two{{}, {"background", "cell"}};
  const auto named = [](h5::Writer& out) {
    out.texts("/case_ids", {"a", "b"});
    out.attribute("/", "class_names", std::vector<std::string>{"background", "cell"});
  };
  CHECK(refused({0, 1, 0, 0, 0, 1}, two) == "");
  CHECK(refused({0, 1, 0, 0, 0, 2}) == "");
  const std::string outside = "): value 2 outside 0..1 (dataset /labels of l.h5)\nhint: give every class a name";
  CHECK(contains(refused({0, 1, 0, 0, 1, 2}, two), "labels: case 1 (\"1\"" + outside));
  CHECK(contains(refused({0, 1, 0, 0, 1, 2}, {}, named), "labels: case 1 (\"b\"" + outside));
  for (const LabelFileOptions& options : {LabelFileOptions{}, two})
    CHECK(contains(refused({0, 0, 0, 0, 255, 0}, options),
                   "labels: case 1 (\"1\"): value 255 outside 0..1 (dataset /labels of l.h5)\n"
                   "hint: use the label map 0:0,255:1"));
  CHECK(refused({0, 0, 0, 0, 0, 0}) == "");
  CHECK(refused({0, 1, 0, 0, 255, 0}) == "");
  const auto ignoring = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::int64_t{255}); };
  CHECK(refused({0, 0, 0, 0, 255, 0}, {}, ignoring) == "");
  CHECK(contains(
      refused({0, 1, 0, 0, 0, 0}, {}, [](h5::Writer& out) { out.attribute("/labels", "crc32", std::uint32_t{7}); }),
      "labels: crc32 is "));
  CHECK(contains(refused({0, 1, 0, 0, 0, 0}, {},
                         [](h5::Writer& out) {
                           out.texts("/case_ids", {"a", "a"});
                         }),
                 "l.h5: case id 0 and 1 are both \"a\""));
  CHECK(contains(refused({0, 1, 0, 0, 0, 0}, {},
                         [](h5::Writer& out) {
                           out.attribute("/", "class_names", std::vector<std::string>{"a", "a"});
                         }),
                 "class name 0 and 1 are both \"a\""));
  for (const char* axes : {"NXY", "NYXC", "YX", "NZYX"})
    CHECK_MESSAGE(contains(refused({0, 1, 0, 0, 0, 0}, {},
                                   [=](h5::Writer& out) { out.attribute("/labels", "axes", std::string(axes)); }),
                           text("dataset /labels of l.h5: axes are \"", axes, "\", expected NYX")),
                  axes);
  CHECK(refused({0, 1, 0, 0, 0, 0}, {},
                [](h5::Writer& out) { out.attribute("/labels", "axes", std::string("NYX")); }) == "");
}

TEST_CASE("label file: millions of samples are not named one by one") {
  const Folder folder;
  h5::Writer writer(folder.file("l.h5"));
  const std::vector<std::uint8_t> values((std::size_t{1} << 20) + 1);
  writer.array("/labels", h5::Element::u8, {std::ssize(values), 1, 1}, values.data());
  writer.save();
  const std::string error = error_of([&] { LabelFile(folder.file("l.h5")); });
  CHECK_MESSAGE(contains(error, "has 1048577 samples without names, at most 1048576 are read"), error);
}

TEST_CASE("label file: a label map makes classes, and every value must be in it") {
  const Folder folder;
  write_labels(folder, h5::Element::u8, {0, 255, 0, 0, 0, 255});
  const LabelFile file(folder.file("l.h5"), {{{0, 0}, {255, 1}}, {}});
  CHECK(file.classes() == 2);
  CHECK(file.read(1).to_vector<int>() == std::vector<int>{0, 0, 1});
  CHECK(contains(error_of([&] {
                   LabelFile(folder.file("l.h5"), {{{255, 1}}, {}}).read(0);
                 }),
                 "value 0 is not in the label map"));
}

TEST_CASE("label file: the map may have a value of the ignore label, whether the file names that or not") {
  const Folder folder;
  for (const bool named : {false, true}) {
    const LabelFile file = opened(folder, h5::Element::u8, {0, 1, 0, 0, 0, 255}, [=](h5::Writer& out) {
      out.attribute("/", "class_names", std::vector<std::string>{"a", "b"});
      out.attribute("/", "label_map", std::string("0:0,128:255,255:1"));
      if (named) out.attribute("/", "ignore_label", std::int64_t{255});
    });
    CHECK(file.style().values == std::vector<std::int64_t>({0, 255}));
    CHECK(file.ignore_label() == (named ? 255 : -1));
  }
  CHECK(contains(error_of([&] {
                   opened(folder, h5::Element::u8, {0, 1, 0, 0, 0, 0}, [](h5::Writer& out) {
                     out.attribute("/", "class_names", std::vector<std::string>{"a", "b"});
                     out.attribute("/", "label_map", std::string("-5:0,3:1"));
                   });
                 }),
                 "label_map is \"-5:0,3:1\""));
}

TEST_CASE("label file: volumes with an affine are turned to RAS as those of a dataset") {
  const Folder folder;
  h5::Writer writer(folder.file("v.h5"));
  writer.group("/cases");
  writer.group("/cases/a");
  const std::vector<std::uint8_t> labels{0, 1, 2, 3, 4, 5};
  writer.array("/cases/a/label", h5::Element::u8, {3, 1, 2}, labels.data());
  writer.attribute("/cases/a/label", "spacing", std::vector<double>{3, 2, 1});
  writer.attribute("/cases/a", "affine", {0, 0, -3, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1}, {4, 4});
  writer.save();
  const LabelFile file(folder.file("v.h5"));
  CHECK(file.place(0).orientation == "SAL");
  CHECK(file.extents(0) == Shape{2, 1, 3});
  CHECK(file.read(0).shape() == Shape{2, 1, 3});
  CHECK(file.read(0).to_vector<int>() == std::vector<int>{4, 2, 0, 5, 3, 1});
  CHECK(file.spacing(0) == std::vector<double>{1, 2, 3});
}

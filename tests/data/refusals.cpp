// Every way in which a file in format 1 can be wrong, and what is said about it.
#include <zlib.h>

#include <limits>

#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

TEST_CASE("dataset: masks of 0 and 255 are no labels") {
  const auto mask = [](Recipe& r) {
    for (std::uint8_t& label : r.label_values) label = label == 0 ? 0 : 255;
  };
  const std::string expected =
      "labels: case 0 (\"img_000\"): value 255 outside 0..1 (dataset /labels of cells.h5)\nhint: use the label map "
      "0:0,255:1";
  CHECK(contains(refusal(mask), expected));
  CHECK(contains(refusal(mask, {.label_map = {}, .verify = false}), expected));
  CHECK(refusal(mask, {.label_map = {{0, 0}, {255, 1}}}) == "");
  const Folder folder;
  const Dataset mapped = open_recipe(folder, mask, {.label_map = {{0, 0}, {255, 1}}});
  CHECK(mapped.read(0).label.to_vector<int>() == std::vector<int>{0, 1, 1, 0, 0, 1});
  // A file that says so itself may hold nothing but background and "unknown".
  CHECK(refusal([&](Recipe& r) {
          mask(r);
          r.more = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::int64_t{255}); };
        }) == "");
}

TEST_CASE("dataset: labels that are no classes can be read as they are stored") {
  const Folder folder;
  const auto odd = [](Recipe& r) { r.label_values = {0, 255, 9, 0, 0, 1, 0, 0, 0, 0, 7, 7}; };
  const Dataset dataset = open_recipe(folder, odd, {.label_map = {}, .stored_labels = true});
  CHECK(dataset.read(0).label.to_vector<int>() == std::vector<int>{0, 255, 9, 0, 0, 1});
  CHECK(dataset.read(1).label.to_vector<int>() == std::vector<int>{0, 0, 0, 0, 7, 7});
}

TEST_CASE("dataset: 255 next to proper labels is to be ignored") {
  // The first case has no foreground, the second has: together they are fine, in any order of reading.
  const auto ignored = [](Recipe& r) { r.label_values = {0, 255, 255, 0, 0, 0, 0, 0, 1, 0, 0, 255}; };
  CHECK(refusal(ignored) == "");
  CHECK(refusal(ignored, {.label_map = {}, .verify = false}) == "");
  const Folder folder;
  CHECK(open_recipe(folder, ignored).read(0).label.to_vector<int>() == std::vector<int>{0, 255, 255, 0, 0, 0});
  // Another ignore label takes the place of 255.
  const auto other = [](Recipe& r) {
    r.label_values = {0, 7, 7, 0, 0, 0, 0, 0, 1, 0, 0, 7};
    r.more = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::int64_t{7}); };
  };
  CHECK(refusal(other) == "");
  CHECK(open_recipe(folder, other).info().ignore_label == 7);
  CHECK(contains(refusal([&](Recipe& r) {
                   other(r);
                   r.label_values[0] = 255;
                 }),
                 "value 255 outside 0..1"));
}

TEST_CASE("dataset: labels that are no class") {
  CHECK(refusal([](Recipe& r) { r.label_values[7] = 9; }) ==
        "labels: case 1 (\"img_001\"): value 9 outside 0..1 (dataset /labels of cells.h5)\n"
        "hint: give every class a name in class_names, or use the label map OLD:NEW,..");
  CHECK(contains(refusal([](Recipe& r) { r.label_values = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7}; }),
                 "hint: use the label map 0:0,7:1"));
  CHECK(contains(refusal([](Recipe&) {}, {.label_map = {{1, 1}}}), "value 0 is not in the label map"));
  const Folder folder;
  for (const auto& map : std::vector<std::map<int, int>>{{{0, 2}}, {{-1, 0}}, {{256, 0}}, {{0, -1}}}) {
    const std::string found = error_of([&] { open_recipe(folder, [](Recipe&) {}, {.label_map = map}); });
    CHECK(contains(found, text("label map ", map.begin()->first, ":", map.begin()->second)));
  }
  // What is wrong with the second case stops the reading of the first: before anything was computed from it.
  const Dataset dataset = open_recipe(folder, [](Recipe& r) { r.label_values[7] = 9; });
  CHECK(contains(error_of([&] { dataset.read(0); }), "case 1 (\"img_001\")"));
}

TEST_CASE("dataset: truth values are labels, and images of 16-bit numbers are read and checked") {
  CHECK(refusal([](Recipe& r) { r.image_element = h5::Element::f16; }) == "");
  const auto infinite = [](Recipe& r) {
    r.image_element = h5::Element::f16;
    r.image_values.assign(24, 1);
    r.image_values[17] = 1e9f;
  };
  for (const bool verify : {true, false})
    CHECK(contains(refusal(infinite, {.label_map = {}, .verify = verify}), "images: case 1 (\"img_001\"): value "));
}

TEST_CASE("dataset: images that are not finite") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const bool verify : {true, false}) {
      const std::string found = refusal(
          [&](Recipe& r) {
            r.image_element = h5::Element::f32;
            r.image_values.assign(24, 1);
            r.image_values[17] = bad;
          },
          {.label_map = {}, .verify = verify});
      CHECK(contains(found, "images: case 1 (\"img_001\"): value "));
      CHECK(contains(found, "is not a finite number (dataset /images of cells.h5)"));
    }
}

TEST_CASE("dataset: every object and attribute that is missing or wrong is named") {
  const auto check_refusal = [](const std::function<void(Recipe&)>& change, const std::string& message) {
    const std::string found = refusal(change);
    CHECK_MESSAGE(contains(found, message), "expected: ", message, "\nfound: ", found);
  };
  for (const char* name : {"/images", "/case_ids"})
    check_refusal([&](Recipe& r) { r.without = name; }, text("file cells.h5: has no dataset ", name));
  for (const char* name : {"format", "format_version", "class_names"})
    check_refusal([&](Recipe& r) { r.without = name; }, text("file cells.h5: has no attribute \"", name, "\""));
  for (const char* name : {"axes", "spacing"})
    check_refusal([&](Recipe& r) { r.without = name; },
                  text("dataset /images of cells.h5: has no attribute \"", name, "\""));
  check_refusal([](Recipe& r) { r.without = "label axes"; }, "dataset /labels of cells.h5: has no attribute \"axes\"");

  check_refusal([](Recipe& r) { r.format = "something"; }, "file cells.h5: format is \"something\"");
  check_refusal([](Recipe& r) { r.version = 2; }, "format_version is 2, this program reads 1\nhint: use a newer");
  check_refusal([](Recipe& r) { r.axes = "NXYC"; },
                "dataset /images of cells.h5: axes are \"NXYC\", expected NYXC, NZYXC, NCYX or NCZYX");
  check_refusal([](Recipe& r) { r.axes = "NZYXC"; }, "axes \"NZYXC\" do not fit extents [2, 2, 3, 2]");
  check_refusal([](Recipe& r) { r.axes = "YXC"; }, "axes are \"YXC\"");
  check_refusal([](Recipe& r) { r.label_axes = "NXY"; }, "dataset /labels of cells.h5: axes are \"NXY\", expected NYX");
  check_refusal([](Recipe& r) { r.labels = {2, 3, 2}; }, "extents are [2, 3, 2], the images need [2, 2, 3]");
  check_refusal([](Recipe& r) { r.image_element = h5::Element::f64; },
                "dataset /images of cells.h5: is f64, expected u8, i16, u16, f16, f32");
  check_refusal([](Recipe& r) { r.label_element = h5::Element::i32; },
                "dataset /labels of cells.h5: is i32, expected u8");
  check_refusal([](Recipe& r) { r.spacing = {1}; }, "cells.h5: case 0 (\"img_000\"): spacing must be 2 positive");
  check_refusal([](Recipe& r) { r.spacing = {1, 0}; }, "spacing must be 2 positive");
  check_refusal([](Recipe& r) { r.spacing = {1, std::numeric_limits<double>::quiet_NaN()}; }, "spacing must be");
  // What no model may have (nn/inference/model.h) no dataset may have, nor what no distance can be computed with.
  for (const std::vector<double>& bad : {std::vector<double>{1e10, 1e10}, {1e-300, 1}, {1e-9, 1}})
    check_refusal([&](Recipe& r) { r.spacing = bad; }, "spacing must be 2 positive numbers");
  check_refusal([](Recipe& r) { r.class_names = {"background"}; }, "class_names has 1 names");
  check_refusal([](Recipe& r) { r.class_names = {"a", "a"}; }, "class name 0 and 1 are both \"a\"");
  check_refusal([](Recipe& r) { r.case_ids = {"a"}; }, "dataset /case_ids of cells.h5: extents are [1], there are 2");
  check_refusal([](Recipe& r) { r.case_ids = {"a", "a"}; }, "case id 0 and 1 are both \"a\"");
  check_refusal([](Recipe& r) { r.case_ids = {"a", ""}; }, "case id 1 is empty");
  for (const char* bad : {"a\nb", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80"})
    check_refusal([&](Recipe& r) { r.case_ids[1] = bad; }, "case id 1 is no printable UTF-8");
  CHECK(refusal([](Recipe& r) { r.case_ids[1] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\xac /.."; }) == "");
  check_refusal([](Recipe& r) { r.groups = {"p"}; }, "groups has 1 entries for 2 cases");
  check_refusal(
      [](Recipe& r) { r.more = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::int64_t{1}); }; },
      "ignore_label 1 is a class: cell");
  check_refusal(
      [](Recipe& r) { r.more = [](h5::Writer& out) { out.attribute("/", "ignore_label", std::string("x")); }; },
      "attribute \"ignore_label\" of file cells.h5: is not one whole number");
}

TEST_CASE("dataset: names that are too long for tables and pictures") {
  CHECK(refusal([](Recipe& r) { r.class_names[1] = std::string(1000, 'a'); }) == "");
  CHECK(contains(refusal([](Recipe& r) { r.class_names[1] = std::string(1001, 'a'); }),
                 "1 has 1001 bytes, at most 1000 are read"));
}

TEST_CASE("dataset: splits that name what is not there, or the same case twice") {
  const auto with = [](std::map<std::string, std::vector<std::int64_t>> splits, std::vector<std::string> groups = {}) {
    return refusal([&](Recipe& r) {
      r.splits = std::move(splits);
      r.groups = std::move(groups);
    });
  };
  CHECK(with({{"train", {0}}, {"test", {1}}}) == "");
  CHECK(contains(with({{"train", {0, 2}}}), "cells.h5: splits: train names case 2, there are 0..1"));
  CHECK(contains(with({{"train", {-1}}}), "train names case -1"));
  CHECK(contains(with({{"train", {0, 1}}, {"val", {1}}}), "case 1 (\"img_001\") is in train and in val"));
  CHECK(contains(with({{"train", {0}}, {"test", {0}}}), "case 0 (\"img_000\") is in train and in test"));
  CHECK(contains(with({{"other", {1, 1}}}), "case 1 (\"img_001\") is twice in other"));
  CHECK(contains(with({{"train", {0, 1, 0}}}), "dataset /splits/train of cells.h5: names 3 cases, there are 2"));
  CHECK(contains(with({{"train", {0}}, {"test", {1}}}, {"p", "p"}), "group \"p\" is in train and in test"));
  CHECK(with({{"train", {0, 1}}}, {"p", "p"}) == "");
  CHECK(contains(refusal([](Recipe& r) {
                   r.more = [](h5::Writer& out) {
                     out.group("/splits");
                     out.texts("/splits/train", {"img_000"});
                   };
                 }),
                 "dataset /splits/train of cells.h5: is not a list of whole numbers but text"));
}

TEST_CASE("dataset: a changed byte is found by the first read, whichever case it is in") {
  const Folder folder;
  const auto checksums = [](Recipe& r) {
    // The bytes of an f32 image: stored in one piece, with nothing of HDF5's own that would notice a change.
    r.image_element = h5::Element::f32;
    r.image_values.assign(24, 1);
    r.image_values[23] = 1234.5f;
    const auto crc = [](const auto& values) {
      return static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(values.data()),
                                              static_cast<uInt>(values.size() * sizeof(values[0]))));
    };
    r.more = [images = crc(r.image_values), labels = crc(r.label_values)](h5::Writer& out) {
      out.attribute("/images", "crc32", images);
      out.attribute("/labels", "crc32", labels);
    };
  };
  CHECK(refusal(checksums) == "");
  Recipe recipe;
  checksums(recipe);
  const std::string path = folder.file("cells.h5");
  recipe.write(path);
  const std::string good = bytes_of(path);
  const auto flip_in = [&](const std::string& pattern) {
    std::string bad = good;
    const std::size_t at = bad.find(pattern);
    REQUIRE(at != std::string::npos);
    REQUIRE(bad.find(pattern, at + 1) == std::string::npos);
    bad[at + pattern.size() - 1] = static_cast<char>(bad[at + pattern.size() - 1] ^ 1);
    write_bytes(path, bad);
  };
  const float last = 1234.5f;
  flip_in(std::string(reinterpret_cast<const char*>(&last), 4));
  std::string found = error_of([&] { Dataset::open(path).read(0); });
  CHECK(contains(found, "images: crc32 is "));
  CHECK(contains(found, "the file says "));
  CHECK(contains(found, "(dataset /images of cells.h5)"));
  CHECK(error_of([&] { Dataset::open(path, {.label_map = {}, .verify = false}).read(1); }) == "");
  flip_in(std::string(recipe.label_values.begin(), recipe.label_values.end()));
  found = error_of([&] { Dataset::open(path).verify(); });
  CHECK(contains(found, "labels: crc32 is "));
}

TEST_CASE("dataset: a checksum that 32 bits do not hold is refused, and not cut to one that may be right") {
  for (const std::int64_t crc : {std::int64_t{-1}, std::int64_t{1} << 32}) {
    const std::string said =
        refusal([&](Recipe& r) { r.more = [crc](h5::Writer& out) { out.attribute("/images", "crc32", crc); }; });
    CHECK_MESSAGE(contains(said, text("dataset /images of cells.h5: its crc32 is ", crc)), said);
  }
}

TEST_CASE("dataset: a file cut off anywhere is an Error") {
  for (const bool one_array : {true, false}) {
    const Folder folder;
    DatasetContents contents = random_contents({{6, 7}, {6, 7}, {6, 7}}, 2, 2);
    contents.splits = {{"train", {0, 1}}, {"test", {2}}};
    if (!one_array) contents.cases[1].spacing = {2, 2};
    const std::string path = folder.file("d.h5");
    write_dataset(path, contents);
    const std::string whole = bytes_of(path);
    const std::size_t step = std::max<std::size_t>(1, whole.size() / 400);
    int tried = 0, errors = 0;
    for (std::size_t length = 0; length < whole.size(); length += step) {
      write_bytes(path, whole.substr(0, length));
      ++tried;
      errors += !error_of([&] { Dataset::open(path).read(0); }).empty();
    }
    CHECK(tried > 300);
    CHECK(errors == tried);
    write_bytes(path, whole);
    CHECK(error_of([&] { Dataset::open(path).read(0); }) == "");
  }
}

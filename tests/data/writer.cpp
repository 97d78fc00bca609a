// write_dataset: what is in the file, and what happens when it cannot be written.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <limits>
#include <thread>

#include "data/h5/h5.h"
#include "data/writer.h"
#include "tests/data/support.h"
#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

std::string refusal(const DatasetContents& contents) {
  const Folder folder;
  const std::string found = error_of([&] { write_dataset(folder.file("d.h5"), contents); });
  if (!found.empty()) CHECK(!std::filesystem::exists(folder.file("d.h5")));
  return found;
}

std::size_t files_in(const Folder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.file(""))) ++count;
  return count;
}

}  // namespace

TEST_CASE("writer: equal contents, equal bytes, at any time") {
  for (const bool one_array : {true, false}) {
    const Folder folder;
    DatasetContents contents = random_contents({{9, 5}, {9, 5}}, 2, 3);
    contents.splits = {{"train", {0}}, {"fold_0/val", {1}}};
    contents.attributes = {{"license", "CC0-1.0"}};
    for (Case& one : contents.cases) one.group = "p" + one.id;
    if (!one_array) contents.cases[0].spacing = {1, 2};
    write_dataset(folder.file("a.h5"), contents);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 would store seconds
    write_dataset(folder.file("b.h5"), contents);
    CHECK(bytes_of(folder.file("a.h5")).size() > 1000);
    CHECK(bytes_of(folder.file("a.h5")) == bytes_of(folder.file("b.h5")));
    contents.cases[1].label.data<std::uint8_t>()[3] ^= 1;
    write_dataset(folder.file("b.h5"), contents);
    CHECK(bytes_of(folder.file("a.h5")) != bytes_of(folder.file("b.h5")));
  }
}

TEST_CASE("writer: one case per chunk, 64^3 or 512^2 above 4 MiB") {
  const Folder folder;
  const auto chunks = [&](const Shape& shape, const std::string& array) {
    DatasetContents contents = random_contents({Shape{1, 1}, Shape{1, 1}}, 1, 2);
    for (Case& one : contents.cases) {
      Shape image = shape;
      image.push_back(1);
      one.image = zeros(image);
      one.label = zeros(shape, DType::u8);
      one.spacing.assign(static_cast<std::size_t>(shape.dims()), 1.0);
    }
    write_dataset(folder.file("d.h5"), contents);
    return h5::File::open(folder.file("d.h5")).array(array).chunk();
  };
  CHECK(chunks({70, 80, 90}, "/labels") == Shape{1, 70, 80, 90});
  CHECK(chunks({70, 80, 90}, "/images") == Shape{1, 70, 80, 90, 1});
  CHECK(chunks({30, 300, 600}, "/images") == Shape{1, 30, 64, 64, 1});
  CHECK(chunks({30, 300, 600}, "/labels") == Shape{1, 30, 64, 64});
  CHECK(chunks({3000, 400}, "/images") == Shape{1, 512, 400, 1});
  CHECK(chunks({3000, 400}, "/labels") == Shape{1, 3000, 400});
}

TEST_CASE("writer: refuses what the reader would refuse, and what would be changed by writing") {
  const DatasetContents good = random_contents({{3, 4}, {3, 4}}, 1, 2);
  CHECK(refusal(good) == "");
  const auto changed = [&](const std::function<void(DatasetContents&)>& change) {
    DatasetContents contents = random_contents({{3, 4}, {3, 4}}, 1, 2);
    change(contents);
    return refusal(contents);
  };
  CHECK(contains(changed([](DatasetContents& c) { c.cases[1].label.data<std::uint8_t>()[2] = 2; }),
                 "labels: case 1 (\"img_001\"): value 2 outside 0..1"));
  CHECK(contains(changed([](DatasetContents& c) {
                   for (Case& one : c.cases)
                     for (std::int64_t i = 0; i < 12; ++i) one.label.data<std::uint8_t>()[i] = i < 6 ? 0 : 255;
                 }),
                 "hint: use the label map 0:0,255:1"));
  CHECK(contains(
      changed([](DatasetContents& c) { c.cases[0].image.data<float>()[0] = std::numeric_limits<float>::quiet_NaN(); }),
      "images: case 0 (\"img_000\"): value nan is not a finite number"));
  for (const float bad : {0.5f, -1.0f, 256.0f})
    CHECK(contains(changed([&](DatasetContents& c) {
                     c.image_dtype = DType::u8;
                     c.cases[1].image.data<float>()[5] = bad;
                   }),
                   text("value ", bad, " cannot be stored as u8")));
  CHECK(contains(changed([](DatasetContents& c) {
                   c.splits = {{"train", {0}}, {"test", {0, 1}}};
                 }),
                 "case 0 (\"img_000\") is in train and in test"));
  CHECK(contains(changed([](DatasetContents& c) { c.ignore_label = 300; }), "ignore_label is 300, expected 0..255"));
  CHECK(contains(changed([](DatasetContents& c) { c.cases[1].id = c.cases[0].id; }), "are both \"img_000\""));
  CHECK(contains(changed([](DatasetContents& c) { c.cases[1].group = "p"; }), "the group of case 0 is empty"));
  for (const std::vector<double>& bad : {std::vector<double>{1}, {1e10, 1e10}})
    CHECK(contains(changed([&](DatasetContents& c) { c.cases[1].spacing = bad; }), "spacing must be 2 positive"));
  CHECK(contains(changed([](DatasetContents& c) { c.cases[1].image = zeros({3, 5, 1}); }), "does not fit label"));
  CHECK(contains(changed([](DatasetContents& c) { c.image_dtype = DType::f64; }), "u8 or f32, not f64"));
  CHECK(contains(changed([](DatasetContents& c) { c.cases.clear(); }), "there are no cases"));
  CHECK(contains(changed([](DatasetContents& c) {
                   c.cases[0].id = "a/b";
                   c.cases[0].spacing = {2, 2};
                 }),
                 "named \"a/b\", which is no name of an object"));
}

TEST_CASE("writer: a disk that is full leaves the old file, no temporary, and an Error(io)") {
  const Folder folder;
  const std::string path = folder.file("d.h5");
  write_dataset(path, random_contents({{3, 4}}, 1, 2));
  const std::string old = bytes_of(path);
  const DatasetContents large = random_contents({{300, 400}}, 1, 2);  // random: does not compress
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit small = limit;
  small.rlim_cur = 20000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  ErrorKind kind = ErrorKind::check;
  try {
    write_dataset(path, large);
  } catch (const Error& error) {
    kind = error.kind();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  CHECK(kind == ErrorKind::io);
  CHECK(bytes_of(path) == old);
  CHECK(files_in(folder) == 1);
  CHECK(error_of([&] { write_dataset(path, large); }) == "");
  CHECK(contains(error_of([&] { write_dataset(folder.file("no/such/d.h5"), large); }), "No such file or directory"));
}

TEST_CASE("writer: case by case what is read is what was written: geometry, origin, unit, map, colours, every type") {
  const Folder folder;
  for (const bool labelled : {true, false}) {
    std::vector<Case> cases;
    for (const Shape& shape : {Shape{3, 4, 5}, Shape{2, 6, 1}}) {
      Case one = random_case(shape, 2, 3, Random(cases.size() + 1));
      one.id = cases.empty() ? "scan" : "other scan";
      one.group = "patient " + one.id;
      one.spacing = {3, 2, 1};
      if (!labelled) one.label = {};
      cases.push_back(one);
    }
    cases[0].affine = Affine{{{1, 0, 0, -7}, {0, 2, 0, 8}, {0, 0, 3, 9}}};
    cases[0].origin = {"in/scan.nii.gz", Kind::nifti, std::string("\0header\0", 8), "LPI"};
    cases[1].image.data<float>()[0] = -3;
    DatasetWriter::Header header{.class_names = {"background", "liver", "tumour"},
                                 .attributes = {{"license", "CC0-1.0"}},
                                 .physical = false,
                                 .source_label_map = {{0, 0}, {1, 1}, {4, 2}},
                                 .class_colours = {{0, 0, 0}, {255, 0, 0}, {1, 2, 255}}};
    if (!labelled) {
      header.class_names.clear();
      header.class_colours.clear();
      header.source_label_map.clear();
    }
    DatasetWriter writer(folder.file("d.h5"), header);
    writer.add(cases[0], h5::Element::u16);
    writer.add(cases[1], h5::Element::i16);
    writer.save({{"train", {1}}, {"test", {0}}});
    CHECK(files_in(folder) == 1);

    const Dataset dataset = Dataset::open(folder.file("d.h5"));
    const DatasetInfo& info = dataset.info();
    CHECK(info.labelled == labelled);
    CHECK(info.class_names == header.class_names);
    CHECK(info.attributes == header.attributes);
    CHECK(!info.physical);
    CHECK(info.source_label_map == header.source_label_map);
    CHECK(info.class_colours == header.class_colours);
    CHECK(info.orientations == std::vector<std::string>{"RAS", ""});
    CHECK(dataset.split("train") == std::vector<std::int64_t>{1});
    for (std::int64_t i = 0; i < 2; ++i) {
      const Case read = dataset.read(i), &written = nth(cases, i);
      CHECK(read.id == written.id);
      CHECK(read.group == written.group);
      CHECK(read.spacing == written.spacing);
      CHECK(same<float>(read.image, written.image));
      CHECK(read.label.defined() == labelled);
      if (labelled) CHECK(same<std::uint8_t>(read.label, written.label));
      CHECK(read.affine == written.affine);
      CHECK(read.origin.path == written.origin.path);
      CHECK((read.origin.kind == written.origin.kind));
      CHECK(read.origin.header == written.origin.header);
      CHECK(read.origin.orientation == written.origin.orientation);
    }
    DatasetContents contents;
    contents.class_names = header.class_names;
    contents.cases = cases;
    write_dataset(folder.file("d.h5"), contents);
    CHECK(Dataset::open(folder.file("d.h5")).read(0).affine == cases[0].affine);
  }
}

TEST_CASE(
    "writer: a case that is refused leaves no trace, so the next one can be added; without save() nothing remains") {
  const Folder folder;
  const Case good = random_case({3, 4}, 1, 2, Random(1));
  const DatasetWriter::Header header{.class_names = {"background", "cell"}};
  {
    DatasetWriter writer(folder.file("d.h5"), header);
    writer.add(good, h5::Element::u8);
    const auto refused = [&](const std::function<void(Case&)>& change, h5::Element element = h5::Element::u8) {
      Case bad = random_case({3, 4}, 1, 2, Random(2));
      bad.id = "bad";
      change(bad);
      return error_of([&] { writer.add(bad, element); });
    };
    CHECK(contains(refused([&](Case& c) { c.id = good.id; }), "are both \"" + good.id + "\""));
    CHECK(contains(refused([](Case& c) { c.label = {}; }), "(\"bad\") has no label, those before have one"));
    CHECK(contains(refused([](Case& c) { c.label.data<std::uint8_t>()[0] = 7; }), "value 7 outside 0..1"));
    CHECK(contains(refused([](Case& c) { c.image = zeros({3, 4, 2}); }), "does not fit case 0"));
    CHECK(contains(refused([](Case& c) { c.spacing = {1, -1}; }), "spacing must be 2 positive"));
    CHECK(contains(refused([](Case& c) {
                     c.affine = Affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
                   }),
                   "which only volumes have"));
    CHECK(contains(
        refused([](Case& c) { c.image.data<float>()[0] = 70000; }, h5::Element::u16),
        "value 70000 cannot be stored as u16 (" + folder.file("d.h5") + ")\nhint: write f32, or round to 0..65535"));
    CHECK(contains(refused([](Case& c) { c.image.data<float>()[0] = -32769; }, h5::Element::i16),
                   "value -32769 cannot be stored as i16"));
    CHECK(contains(refused([](Case&) {}, h5::Element::f64), "are stored as u8, i16, u16 or f32, not f64"));
    CHECK(refused([](Case&) {}) == "");
    CHECK(contains(error_of([&] { writer.save({{"train", {2}}}); }), "train names case 2, there are 0..1"));
  }
  CHECK(files_in(folder) == 0);
  CHECK(contains(error_of([&] { DatasetWriter(folder.file("d.h5"), header).save(); }), "d.h5: has no cases"));
  CHECK(contains(error_of([&] { DatasetWriter(folder.file("d.h5"), {.class_names = {"one"}}); }), "has 1 names"));
  CHECK(contains(error_of([&] { DatasetWriter(folder.file("d.h5"), {}).add(good, h5::Element::u8); }),
                 "class_names has 0 names"));
  CHECK(contains(error_of([&] {
                   DatasetWriter(folder.file("d.h5"), {.class_names = {"a", "b"}, .attributes = {{"label_map", "x"}}});
                 }),
                 "is the format's own"));
  CHECK(files_in(folder) == 0);
}

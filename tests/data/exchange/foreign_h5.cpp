// HDF5 files of other programs: the documented layouts, and files that do not say what their axes are.
#include <hdf5.h>
#include <cmath>

#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::discover;
using data::read_source_image;
using data::read_source_label;
using data::h5::Element;
using Names = std::vector<std::string>;

namespace {

std::string write_h5(const std::string& path, const std::function<void(data::h5::Writer&)>& fill) {
  data::h5::Writer out(made(path));
  fill(out);
  out.save();
  return path;
}

data::DiscoverOptions images_of_h5(const std::string& axes = {}) {
  data::DiscoverOptions options;
  options.labels = false;
  options.axes = axes;
  return options;
}

}  // namespace

TEST_CASE("pytorch-3dunet: raw and label, channels first, micrometres") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/raw", {2, 3, 4, 5}, 100, Element::f32);
    add_array(out, "/label", {3, 4, 5}, 2, Element::i64);
    out.attribute("/raw", "element_size_um", std::vector<double>{2, 1, 0.5});
  });
  const data::Discovery found = discover({path});
  CHECK(ids_of(found) == Names{"a"});
  CHECK(found.cases[0].labels == Names{path + ":/label"});
  CHECK(contains(notes_of(found.notes), "1 file has the layout of pytorch-3dunet"));
  const data::SourceImage read = read_source_image(found.cases[0]);
  CHECK(read.image.values.shape() == Shape{3, 4, 5, 2});
  CHECK(read.image.values.at(0, 0, 1, 0) == 1);
  CHECK(read.image.values.at(0, 0, 1, 1) == 61);
  CHECK(read.image.spacing == std::vector<double>({0.002, 0.001, 0.0005}));
  CHECK(read.image.physical);
  CHECK(read.origin.path == path);
  CHECK(read_source_label(found.cases[0], read).values[1] == 1);
}

TEST_CASE("one file in each folder: the folder tells them apart, and may be a split") {
  const Folder folder;
  const auto fill = [](data::h5::Writer& out) {
    add_array(out, "/image", {4, 5}, 100, Element::f32);
    add_array(out, "/label", {4, 5}, 2);
  };
  const Names files{write_h5(folder.file("in/a/mri.h5"), fill), write_h5(folder.file("in/b/mri.h5"), fill)};
  const data::Discovery found = discover({folder.file("in")});
  CHECK(ids_of(found) == Names({"a_mri", "b_mri"}));
  CHECK(found.cases[1].labels == Names{files[1] + ":/label"});
  CHECK(found.cases[1].split.empty());
  CHECK(ids_of(discover(files)) == Names({"a_mri", "b_mri"}));
  CHECK(ids_of(discover({files[0]})) == Names{"mri"});
  write_h5(folder.file("splits/train/x.h5"), fill);
  write_h5(folder.file("splits/test/y.h5"), fill);
  const data::Discovery splits = discover({folder.file("splits")});
  CHECK(ids_of(splits) == Names({"x", "y"}));
  CHECK(splits.cases[0].split == "train");
  CHECK(splits.cases[1].split == "test");
  const Names given{folder.file("splits/train/x.h5"), folder.file("splits/test/y.h5")};
  CHECK(discover(given).cases[0].split == "train");
  CHECK(discover(given).cases[1].split == "test");
  CHECK(discover({given[0], write_h5(folder.file("splits/train/z.h5"), fill)}).cases[0].split.empty());  // all the same
  data::DiscoverOptions options;
  options.mask_folder = "/label";
  CHECK(discover({folder.file("in")}, options).cases.size() == 2);
}

TEST_CASE("files of a test without labels are left out beside others, but none of a training is") {
  const Folder folder;
  const auto bare = [](data::h5::Writer& out) { add_array(out, "/image", {4, 5}, 100, Element::f32); };
  write_h5(folder.file("in/test/y.h5"), bare);
  write_h5(folder.file("in/train/x.h5"), [&](data::h5::Writer& out) {
    bare(out);
    add_array(out, "/label", {4, 5}, 2);
  });
  const data::Discovery found = discover({folder.file("in")});
  CHECK(ids_of(found) == Names{"x"});
  CHECK(contains(notes_of(found.notes), "Left out: 1 image for the test without masks ("));
  write_h5(folder.file("in/val/z.h5"), bare);
  CHECK(contains(error_of([&] { discover({folder.file("in")}); }), "z.h5"));
}

TEST_CASE("SSL4MIS: slices are pictures, and those of a patient a group") {
  const Folder folder;
  for (const char* name : {"patient001_frame01_slice_1", "patient001_frame12_slice_2", "patient002_frame01_slice_1"})
    write_h5(folder.file(std::string(name) + ".h5"), [](data::h5::Writer& out) {
      add_array(out, "/image", {4, 5}, 100, Element::f32);
      add_array(out, "/label", {4, 5}, 4);
    });
  const data::Discovery found = discover({folder.file("")});
  CHECK(found.cases.size() == 3);
  CHECK(found.cases[1].group == "patient001");
  CHECK(found.cases[2].group == "patient002");
  CHECK(read_source_image(found.cases[0]).image.values.shape() == Shape{4, 5, 1});
}

TEST_CASE("CREMI: nanometres, the largest number is no object, one of several labels must be named") {
  const Folder folder;
  const std::string path = write_h5(folder.file("cremi.h5"), [](data::h5::Writer& out) {
    for (const char* group : {"/volumes", "/volumes/labels"}) out.group(group);
    add_array(out, "/volumes/raw", {2, 3, 4}, 200);
    out.attribute("/volumes/raw", "resolution", std::vector<double>{40, 4, 4});
    add_array(out, "/volumes/labels/neuron_ids", {2, 3, 4}, 5, Element::u64);
    out.create("/volumes/labels/clefts", Element::u64, {2, 3, 4});
    const std::vector<std::uint64_t> none(24, ~std::uint64_t{0});
    out.write("/volumes/labels/clefts", {0, 0, 0}, {2, 3, 4}, Element::u64, none.data());
  });
  CHECK(contains(error_of([&] { discover({path}); }), "several arrays may be the label: /volumes/labels/clefts"));
  data::DiscoverOptions options;
  options.mask_folder = "/volumes/labels/clefts";
  const data::Discovery found = discover({path}, options);
  CHECK(found.cases[0].instances);
  const data::SourceImage read = read_source_image(found.cases[0]);
  CHECK(std::abs(read.image.spacing[0] - 40e-6) < 1e-15);
  CHECK(read_source_label(found.cases[0], read).values == std::vector<std::int32_t>(24, 0));
  options.mask_folder = "/volumes/labels/nothing";
  CHECK(contains(error_of([&] { discover({path}, options); }), "there is no array /volumes/labels/nothing"));
}

TEST_CASE("the largest number is no object in CREMI alone, and others beyond what is read are refused") {
  const Folder folder;
  const auto error_with = [&](const std::string& image, const std::string& label, std::uint64_t value) {
    const std::string path = write_h5(folder.file("a.h5"), [&](data::h5::Writer& out) {
      for (const char* group : {"/volumes", "/volumes/labels"}) out.group(group);
      add_array(out, image, {2, 3, 4}, 200);
      out.create(label, Element::u64, {2, 3, 4});
      std::vector<std::uint64_t> values(24, 1);
      values[5] = value;
      out.write(label, {0, 0, 0}, {2, 3, 4}, Element::u64, values.data());
    });
    const data::Discovery found = discover({path});
    return error_of([&] { read_source_label(found.cases[0], read_source_image(found.cases[0])); });
  };
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(error_with("/volumes/raw", "/volumes/labels/clefts", most).empty());
  CHECK(contains(error_with("/volumes/raw", "/volumes/labels/clefts", most / 2 + 1), "beyond what is read"));
  CHECK(contains(error_with("/raw", "/label", most), "beyond what is read"));
  CHECK(error_with("/raw", "/label", 7).empty());
}

TEST_CASE("CREMI: a label that begins elsewhere than its image is refused") {
  const Folder folder;
  const auto error_with = [&](const std::vector<double>& of_image, const std::vector<double>& of_label) {
    const std::string path = write_h5(folder.file("cremi.h5"), [&](data::h5::Writer& out) {
      for (const char* group : {"/volumes", "/volumes/labels"}) out.group(group);
      add_array(out, "/volumes/raw", {2, 3, 4}, 200);
      add_array(out, "/volumes/labels/clefts", {2, 3, 4}, 5, Element::u64);
      out.attribute("/volumes/raw", "offset", of_image);
      out.attribute("/volumes/labels/clefts", "offset", of_label);
    });
    return error_of([&] { discover({path}); });
  };
  CHECK(error_with({0, 0, 0}, {0, 0, 0}).empty());
  CHECK(error_with({40, 4, 4}, {40, 4, 4}).empty());
  CHECK(contains(error_with({0, 0, 0}, {400, 40, 40}), "its offset is 400, 40, 40, that of the image 0"));
}

TEST_CASE("labels below 0 stay below 0") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/image", {1, 2}, 100);
    out.create("/label", Element::i64, {1, 2});
    const std::vector<std::int64_t> labels{-1, 1};
    out.write("/label", {0, 0}, {1, 2}, Element::i64, labels.data());
  });
  const data::Source source = discover({path}).cases[0];
  CHECK(read_source_label(source, read_source_image(source)).values == std::vector<std::int32_t>({-1, 1}));
}

TEST_CASE("ilastik: axistags say the order of the axes") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/exported_data", {1, 4, 3, 2}, 100);
    out.attribute("/exported_data", "axistags",
                  std::string(R"({"axes": [{"key": "t"}, {"key": "x"}, {"key": "y"}, {"key": "c"}]})"));
  });
  const Image image = read_source_image(discover({path}, images_of_h5()).cases[0]).image;
  CHECK(image.values.shape() == Shape{3, 4, 2});
  CHECK(image.values.at(2, 1, 1) == 1 * 6 + 2 * 2 + 1);
}

TEST_CASE("axes are never guessed") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/stack", {4, 3, 2}, 100);
  });
  const auto read = [&](const std::string& axes) {
    return read_source_image(discover({path}, images_of_h5(axes)).cases[0], axes).image.values;
  };
  CHECK(contains(error_of([&] { read(""); }), "does not say what its axes [4, 3, 2] are\nhint: use the axes ZYX"));
  CHECK(read("ZYX").shape() == Shape{4, 3, 2, 1});
  CHECK(read("XYZ").shape() == Shape{2, 3, 4, 1});
  CHECK(read("XYZ").at(1, 2, 3, 0) == 3 * 6 + 2 * 2 + 1);
  CHECK(read("YXC").shape() == Shape{4, 3, 2});
  for (const char* axes : {"ZY", "ZYXC", "ZZX", "AYX", "TYX"})
    CHECK_MESSAGE(!error_of([&] { read(axes); }).empty(), axes);
}

TEST_CASE("axes in small letters are read, and given axes win over those that cannot be meant") {
  const Folder folder;
  int number = 0;
  const auto read = [&](const char* attribute, const std::string& value, const std::string& given = {}) {
    const std::string path = write_h5(folder.file(std::to_string(number++) + ".h5"), [&](data::h5::Writer& out) {
      add_array(out, "/raw", {4, 3, 2}, 100);
      out.attribute("/raw", attribute, value);
    });
    return read_source_image(discover({path}, images_of_h5(given)).cases[0], given).image.values.shape();
  };
  CHECK(read("axes", "xyz") == Shape{2, 3, 4, 1});
  CHECK(read("axes", "XYZ", "ZYX") == Shape{2, 3, 4, 1});
  CHECK(read("axes", "QYX", "zyx") == Shape{4, 3, 2, 1});
  CHECK(read("axistags", "{damaged", "XYZ") == Shape{2, 3, 4, 1});
  const std::string message = error_of([&] { read("axistags", "{damaged"); });
  CHECK_MESSAGE(
      (contains(message, "/raw") && contains(message, text(number - 1, ".h5")) && contains(message, "axistags: ")),
      message);
  CHECK(contains(error_of([&] { read("axes", "QYX"); }), "hint: use the axes "));
}

TEST_CASE("sizes of voxels that cannot be are refused with file and array") {
  const Folder folder;
  for (const double size : {-1.0, 0.0, double{NAN}, double{INFINITY}, 1e-320, 1e305}) {
    const std::string path = write_h5(folder.file("a.h5"), [&](data::h5::Writer& out) {
      add_array(out, "/raw", {4, 3, 2}, 100);
      out.attribute("/raw", "element_size_um", std::vector<double>{1, size, 1});
    });
    const std::string message = error_of([&] { read_source_image(discover({path}, images_of_h5()).cases[0]); });
    CHECK_MESSAGE(
        (contains(message, "/raw") && contains(message, "a.h5") && contains(message, "element_size_um has the value")),
        message);
    std::filesystem::remove(path);
  }
}

TEST_CASE("samples that the file itself names are cases too") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    for (const char* name : {"/raw", "/label"}) {
      add_array(out, name, {3, 2, 4}, 7);
      out.attribute(name, "axes", std::string("NYX"));
    }
  });
  const data::Discovery found = discover({path});
  CHECK(ids_of(found) == Names({"a_0", "a_1", "a_2"}));
  const data::SourceImage image = read_source_image(found.cases[1]);
  CHECK(image.image.values.shape() == Shape{2, 4, 1});
  CHECK(image.image.values.at(0, 0, 0) == 1);
  CHECK(read_source_label(found.cases[1], image).values[0] == 1);
  data::Source whole;
  whole.images = {path + ":/raw"};
  CHECK(contains(error_of([&] { read_source_image(whole); }), "has 3 samples along the axis N\nhint: name one"));
}

TEST_CASE("an array of many samples is as many cases, if the axes say so") {
  const Folder folder;
  const std::string path = write_h5(folder.file("train.h5"), [](data::h5::Writer& out) {
    add_array(out, "/x", {11, 2, 3, 2}, 1000, Element::u16);
    add_array(out, "/y", {11, 2, 3}, 66, Element::u8);
  });
  data::DiscoverOptions options;
  options.axes = "NYXC";
  options.mask_folder = "/y";
  const data::Discovery found = discover({path + ":/x"}, options);
  REQUIRE(found.cases.size() == 11);
  CHECK(found.cases[0].id == "train_00");
  const data::SourceImage image = read_source_image(found.cases[10], "NYXC");
  CHECK(image.image.values.shape() == Shape{2, 3, 2});
  CHECK(image.image.values.at(0, 0, 0) == 120);
  CHECK(read_source_label(found.cases[10], image, "NYXC").values[0] == 60);
  CHECK(contains(error_of([&] {
                   data::Source beyond;
                   beyond.images = {path + ":/x[11]"};
                   read_source_image(beyond, "NYXC");
                 }),
                 "sample 11 outside 0..10"));
}

TEST_CASE("an array of millions of samples is refused before each becomes a case") {
  const Folder folder;
  const std::string path = write_h5(folder.file("many.h5"), [](data::h5::Writer& out) {
    const std::vector<std::uint8_t> values((std::size_t{1} << 20) + 1);
    out.array("/x", Element::u8, {std::ssize(values), 1, 1}, values.data());
  });
  data::DiscoverOptions options;
  options.axes = "NYX";
  options.labels = false;
  const std::string error = error_of([&] { discover({path + ":/x"}, options); });
  CHECK_MESSAGE(contains(error, "has 1048577 samples, at most 1048576 are read"), error);
}

TEST_CASE("a named sample is one case, and every sample has a label of its own") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/x", {11, 2, 3}, 1000, Element::u16);
    add_array(out, "/y", {11, 2, 3}, 66, Element::u8);
    add_array(out, "/more", {12, 2, 3}, 66, Element::u8);
    add_array(out, "/one", {2, 3}, 2, Element::u8);
    out.attribute("/one", "axes", std::string("YX"));
  });
  data::DiscoverOptions options;
  options.axes = "NYX";
  options.mask_folder = "/y";
  const data::Discovery found = discover({path + ":/x[5]"}, options);
  CHECK(ids_of(found) == Names{"a_05"});
  CHECK(found.cases[0].images == Names{path + ":/x[5]"});
  CHECK(found.cases[0].labels == Names{path + ":/y[5]"});
  CHECK(contains(error_of([&] { discover({path + ":/x[11]"}, options); }), "sample 11 outside 0..10"));
  CHECK(contains(error_of([&] { discover({path + ":/one[1]"}, images_of_h5()); }), "sample 1 is named, but no axis N"));
  for (const char* number : {"[-1]", "[]", "[99999999999999999999]", "[a]"})
    CHECK(
        contains(error_of([&] { discover({path + ":/x" + number}, options); }), "the number in brackets is no sample"));
  data::Source one;
  one.images = {path + ":/one[1]"};
  CHECK(contains(error_of([&] { read_source_image(one); }), "sample 1 is named, but no axis N"));
  options.mask_folder = "/more";
  CHECK(contains(error_of([&] { discover({path + ":/x"}, options); }), "NYX [12, 2, 3], but its image has 11 samples"));
  options.mask_folder = "/one";
  CHECK(contains(error_of([&] { discover({path + ":/x"}, options); }), "YX [2, 3], but its image has 11 samples"));
}

TEST_CASE("an array without a sample is no image, also if its other axes are long") {
  const Folder folder;
  for (const Shape& extents : {Shape{0, 4, 5, 1}, Shape{std::int64_t{1} << 40, 0, 5, 1}, Shape{0, 0, 0, 0}}) {
    const std::string path =
        write_h5(folder.file("a.h5"), [&](data::h5::Writer& out) { add_array(out, "/raw", extents, 100); });
    CHECK(contains(error_of([&] { discover({path + ":/raw"}, images_of_h5("NYXC")); }), "which is no image"));
  }
}

TEST_CASE("one array of a file can be named; several of no known layout are listed") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/one", {3, 2}, 100);
    add_array(out, "/two", {5, 4}, 100);
  });
  const std::string message = error_of([&] { discover({path}, images_of_h5()); });
  CHECK_MESSAGE(contains(message, "/one [3, 2], /two [5, 4]"), message);
  CHECK(read_source_image(discover({path + ":/two"}, images_of_h5()).cases[0], "YX").image.values.shape() ==
        Shape{5, 4, 1});
}

TEST_CASE("an array with several names is one array, also in groups that contain themselves") {
  const Folder folder;
  const std::string path = write_h5(folder.file("a.h5"), [](data::h5::Writer& out) {
    add_array(out, "/a", {4, 5}, 10);
    add_array(out, "/b", {4, 5}, 10);
  });
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  for (int i = 0; i < 100; ++i)  // 10^8 paths on four levels
    H5Lcreate_hard(file, "/", file, ("loop" + std::to_string(i)).c_str(), H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_hard(file, "/a", file, "again", H5P_DEFAULT, H5P_DEFAULT);
  H5Fclose(file);
  CHECK(contains(error_of([&] { discover({path}); }), "is the image: /a [4, 5], /b [4, 5]"));
}

TEST_CASE("a dataset is recognised and not imported again") {
  const Folder folder;
  const std::string path = write_h5(
      folder.file("a.h5"), [](data::h5::Writer& out) { out.attribute("/", "format", std::string("voxgrad-dataset")); });
  CHECK(data::is_dataset(path));
  CHECK(contains(error_of([&] { discover({path}); }), "is a dataset already"));
  write_bytes(folder.file("b.h5"), "x");
  CHECK(!data::is_dataset(folder.file("b.h5")));
  CHECK(!data::is_dataset(folder.file("none.h5")));
  CHECK(!data::is_dataset(folder.file("")));
}

TEST_CASE("images and masks may be HDF5 files in two folders") {
  const Folder folder;
  write_h5(folder.file("raw/a.h5"), [](data::h5::Writer& out) { add_array(out, "/exported_data", {3, 2}, 100); });
  write_h5(folder.file("labels/a.h5"), [](data::h5::Writer& out) { add_array(out, "/exported_data", {3, 2}, 2); });
  const data::Discovery found = discover({folder.file("")});
  const data::SourceImage image = read_source_image(found.cases[0], "YX");
  CHECK(read_source_label(found.cases[0], image, "YX").values == std::vector<std::int32_t>({0, 1, 0, 1, 0, 1}));
}

TEST_CASE("two folders of files with image and label are two folds, and no images and masks") {
  const Folder folder;
  for (const char* fold : {"fold1", "fold2"})
    write_h5(folder.file(std::string(fold) + "/case_1.h5"), [](data::h5::Writer& out) {
      add_array(out, "/image", {3, 2}, 100);
      add_array(out, "/label", {3, 2}, 2);
    });
  const data::Discovery found = discover({folder.file("fold1"), folder.file("fold2")});
  CHECK(ids_of(found) == Names({"fold1_case_1", "fold2_case_1"}));
  CHECK(found.cases[0].labels == Names{folder.file("fold1/case_1.h5") + ":/label"});
}

// From folders to a dataset and back: every pixel and every label arrives, and what was decided is said.
#include "data/exchange/import.h"

#include "data/dataset.h"
#include "tests/data/exchange/support.h"
#include "tests/data/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::Case;
using data::Dataset;
using data::import_dataset;
using data::ImportOptions;
using data::ImportReport;
using data::h5::Element;
using Names = std::vector<std::string>;
using Map = std::map<int, int>;

namespace {

// Imports the folder "in" into "out.h5".
ImportReport import_folder(const Folder& folder, const ImportOptions& options = {}) {
  return import_dataset({folder.file("in")}, folder.file("out.h5"), options);
}

std::string import_refusal(const Folder& folder, const ImportOptions& options = {}) {
  const std::string message = error_of([&] { import_folder(folder, options); });
  CHECK(!std::filesystem::exists(folder.file("out.h5")));  // nothing is left of what failed
  return message;
}

ImportOptions import_map(const Map& map) {
  ImportOptions options;
  options.labels.map = map;
  return options;
}

}  // namespace

TEST_CASE("a folder of pictures becomes a dataset with the same pixels and the mapped labels") {
  const Folder folder;
  for (const char* name : {"b", "a"}) {
    write_picture(folder.file(std::string("in/images/") + name + ".png"));
    write_mask(folder.file(std::string("in/masks/") + name + ".png"), {0, 255});
  }
  ImportOptions options = import_map({{0, 0}, {255, 1}});
  options.attributes["modality"] = "microscopy";
  int calls = 0;
  std::int64_t last = 0;
  options.progress = [&](std::int64_t done, std::int64_t all) {
    CHECK(done == last + 1);
    CHECK(all == 4);
    last = done;
    ++calls;
  };
  const ImportReport report = import_folder(folder, options);
  CHECK(calls == 4);
  CHECK(report.cases == 2);
  CHECK(report.channels == 1);
  CHECK(report.element == Element::u8);
  CHECK(!report.physical);
  const Dataset dataset = Dataset::open(folder.file("out.h5"));
  CHECK(dataset.info().case_ids == Names({"a", "b"}));
  CHECK(dataset.info().class_names == Names({"background", "object"}));
  CHECK(dataset.info().source_label_map == Map({{0, 0}, {255, 1}}));
  CHECK(!dataset.info().physical);
  CHECK(dataset.info().attributes.at("modality") == "microscopy");
  CHECK(contains(dataset.info().attributes.at("import"), "Images are in " + folder.file("in/images")));
  const Case one = dataset.read(1);
  CHECK(one.image.to_vector<float>() == data::read_image(folder.file("in/images/b.png")).values.to_vector<float>());
  CHECK(one.label.at(0, 0) == 0);
  CHECK(one.label.at(0, 7) == 1);
  CHECK(one.origin.path == folder.file("in/images/b.png"));
  CHECK(one.origin.kind == data::Kind::png);
}

TEST_CASE("one number of channels is chosen for all pictures") {
  const Folder grey, mixed;
  const auto equal = [](std::int64_t i) { return static_cast<int>(i / 3); };
  for (const Folder* folder : {&grey, &mixed}) {
    write_picture(folder->file("in/images/1.png"), 1);
    write_image(folder->file("in/images/2.png"), image_of({6, 8}, 3, equal));
    for (const char* mask : {"1.png", "2.png"}) write_mask(folder->file(std::string("in/masks/") + mask));
  }
  CHECK(import_folder(grey).channels == 1);
  write_picture(mixed.file("in/images/3.png"), 3);
  write_mask(mixed.file("in/masks/3.png"));
  const ImportReport report = import_folder(mixed);
  CHECK(report.channels == 3);
  CHECK(contains(notes_of(report.notes), "the grey ones get three equal channels"));
  const Tensor first = Dataset::open(mixed.file("out.h5")).read(0).image;
  CHECK(first.shape() == Shape{6, 8, 3});
  CHECK(first.at(1, 2, 0) == first.at(1, 2, 2));
}

TEST_CASE("channels in files or pages of their own are no colours: a case that lacks some is refused") {
  const Folder files, pages;
  write_bytes(
      made(files.file("in/dataset.json")),
      R"({"labels": {"background": 0, "x": 1}, "channel_names": {"0": "T1", "1": "T2", "2": "FLAIR"}, "dataset": {
                  "a": {"images": ["a0.png", "a1.png", "a2.png"], "label": "m.png"},
                  "b": {"images": ["b0.png"], "label": "m.png"}}})");
  for (const char* name : {"a0.png", "a1.png", "a2.png", "b0.png"})
    write_picture(files.file(std::string("in/") + name));
  write_mask(files.file("in/m.png"));
  CHECK(contains(import_refusal(files), "case b has 1 channels, case a has 3"));
  for (const char* name : {"b1.png", "b2.png"}) write_picture(files.file(std::string("in/") + name));
  write_bytes(files.file("in/dataset.json"),
              R"({"labels": {"background": 0, "x": 1}, "dataset": {
                  "a": {"images": ["a0.png", "a1.png", "a2.png"], "label": "m.png"}}})");
  CHECK(import_folder(files).channels == 3);  // equal, but no picture in grey
  if (!data::has_tiff()) return;
  write_image(made(pages.file("in/images/a.tif")),
              image_of({3, 6, 8}, 1, [](std::int64_t i) { return static_cast<int>(i); }));
  write_picture(pages.file("in/images/b.tif"));
  for (const char* name : {"a", "b"}) write_mask(pages.file(std::string("in/masks/") + name + ".png"));
  ImportOptions options;
  options.discover.axes = "CYX";
  CHECK(contains(import_refusal(pages, options), "case b has 1 channels, case a has 3"));
}

TEST_CASE("each page of a TIFF is a case, if the caller says so; a stack alone is pointed at") {
  if (!data::has_tiff()) {
    CHECK(true);
    MESSAGE("skipped: this build reads no TIFF");
    return;
  }
  const Folder folder;
  const auto write = [&](const char* name, std::int64_t pages, int period) {
    write_image(made(folder.file(std::string("in/") + name)),
                image_of({pages, 6, 8}, 1, [=](std::int64_t i) { return static_cast<int>(i % period); }));
  };
  write("train-volume.tif", 5, 200);
  write("train-labels.tif", 5, 2);
  CHECK(contains(notes_of(import_folder(folder).notes), "There is one case alone"));
  ImportOptions options;
  options.discover.axes = "NYX";
  const ImportReport report = import_folder(folder, options);
  CHECK(report.cases == 5);
  CHECK(report.dims == 2);
  CHECK(contains(notes_of(report.notes), "Every page of a TIFF is a case."));
  const Dataset dataset = Dataset::open(folder.file("out.h5"));
  CHECK(dataset.info().case_ids[4] == "train-volume_4");
  const Case one = dataset.read(4);
  CHECK(one.image.at(1, 3, 0) == (4 * 48 + 8 + 3) % 200);
  CHECK(one.label.at(1, 1) == 1);
  CHECK(one.origin.path == folder.file("in/train-volume.tif"));
  CHECK(one.origin.kind == data::Kind::tiff);
  write("train-labels.tif", 4, 2);
  CHECK(contains(error_of([&] { import_folder(folder, options); }), "which has 5 pages, each an image"));
}

TEST_CASE("volumes arrive in RAS with spacing, affine and header; the type is the smallest that is exact") {
  const Folder folder;
  const auto write = [&](const char* name, int offset) {
    write_volume(folder.file(std::string("in/images/") + name), {3, 4, 5},
                 [=](std::int64_t i) { return static_cast<int>(i) + offset; }, {-1, 2, 3});
    write_volume(
        folder.file(std::string("in/labels/") + name), {3, 4, 5}, [](std::int64_t i) { return i % 5 == 0 ? 1 : 0; },
        {-1, 2, 3}, Element::u8);
  };
  write("a.nii.gz", -1024);
  write("b.nii.gz", 300);
  const ImportReport report = import_folder(folder);
  CHECK(report.element == Element::i16);
  CHECK(report.physical);
  CHECK(report.spacing == std::vector<double>({3, 2, 1}));
  CHECK_MESSAGE(contains(notes_of(report.notes), "whole numbers from -1024 on, as CT does"), notes_of(report.notes));
  CHECK(contains(notes_of(report.notes), "give the modality CT"));
  ImportOptions ct;
  ct.dry_run = true;
  ct.attributes["modality"] = "CT";
  CHECK(!contains(notes_of(import_folder(folder, ct).notes), "as CT does"));
  const Dataset dataset = Dataset::open(folder.file("out.h5"));
  const Case one = dataset.read(0);
  CHECK(one.orientation == "RAS");
  CHECK(one.origin.orientation == "LAS");
  CHECK(one.origin.header.size() == 348);
  CHECK(one.image.at(0, 0, 4, 0) == -1024);
  CHECK(one.label.at(0, 0, 4) == 1);
  CHECK(one.label.at(0, 0, 0) == 0);
}

TEST_CASE("a note counts the cases that say how they lie in space, where others do not") {
  const Folder folder;
  const auto value = [](std::int64_t i) { return static_cast<int>(i % 2); };
  for (const char* name : {"a.nii", "b.nii", "c.nii"})
    for (const char* part : {"in/images/", "in/labels/"}) {
      const std::string path = folder.file(std::string(part) + name);
      if (name[0] == 'a') {
        Image bare = image_of({2, 3, 4}, 1, value);
        bare.physical = true;
        write_image(made(path), bare);
      } else {
        write_volume(path, {2, 3, 4}, value, {-1, 1, 1});
      }
    }
  const std::string notes = notes_of(import_folder(folder).notes);
  CHECK_MESSAGE(contains(notes, "2 of 3 cases say how they lie in space"), notes);
}

TEST_CASE("notes about many files that differ in a name or an amount alone are said once") {
  const Folder folder;
  for (int file = 1; file <= 3; ++file) {
    const std::string name = std::to_string(file) + ".nii";
    write_volume(folder.file("in/images/" + name), {4, 4, 4}, [](std::int64_t i) { return static_cast<int>(i); });
    std::vector<float> values;
    for (int i = 0; i < 64; ++i) values.push_back(i % 2 == 0 ? 0.0F : i < 2 * file ? 0.99F : 1.0F);
    Image label = image_of({4, 4, 4}, values, 1, Element::f32);
    label.affine = data::Affine{{{1.0004 + 1e-4 * file, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
    label.spacing = data::spacing_of(*label.affine);
    label.physical = true;
    write_image(made(folder.file("in/labels/" + name)), label);
  }
  const std::string notes = notes_of(import_folder(folder).notes);
  CHECK_MESSAGE(contains(notes, "differ a little in their place in space. (2 other files too)"), notes);
  CHECK(contains(notes, "1 of 64 labels: Values less than 0.05 away from a whole number were rounded. (2 other"));
  CHECK(!contains(notes, "2.nii"));
}

TEST_CASE("a dry run decides the same and writes nothing") {
  const Folder folder;
  write_picture(folder.file("in/images/a.png"));
  write_mask(folder.file("in/masks/a.png"), {0, 1, 2});
  ImportOptions options;
  options.dry_run = true;
  const ImportReport dry = import_folder(folder, options);
  CHECK(!std::filesystem::exists(folder.file("out.h5")));
  const ImportReport wet = import_folder(folder);
  CHECK(dry.notes == wet.notes);
  CHECK(dry.class_names == wet.class_names);
}

TEST_CASE("the same folder gives the same bytes") {
  const Folder folder;
  for (const char* name : {"a", "b", "c"}) {
    write_picture(folder.file(std::string("in/images/") + name + ".png"));
    write_mask(folder.file(std::string("in/masks/") + name + ".png"));
  }
  import_folder(folder);
  const std::string first = bytes_of(folder.file("out.h5"));
  import_folder(folder);
  CHECK(first == bytes_of(folder.file("out.h5")));
}

TEST_CASE("splits of the source are kept; without validation cases some training cases are") {
  const Folder folder;
  for (int i = 0; i < 14; ++i) {
    const std::string name = (i < 10 ? "0" : "") + std::to_string(i) + ".png", split = i < 10 ? "train" : "test";
    write_picture(folder.file("in/" + split + "/images/" + name));
    write_mask(folder.file("in/" + split + "/masks/" + name));
  }
  const ImportReport report = import_folder(folder);
  CHECK(report.splits == std::map<std::string, std::int64_t>({{"test", 4}, {"train", 8}, {"val", 2}}));
  const Dataset dataset = Dataset::open(folder.file("out.h5"));
  CHECK(dataset.split("test") == std::vector<std::int64_t>({10, 11, 12, 13}));
}

TEST_CASE("labelled cases that no split has are refused, and folders beside the splits are named") {
  const Folder folder;
  for (const char* split : {"train", "test", "more"}) {
    const std::string name = std::string(split) + "/" + split + ".png";
    write_picture(folder.file("in/images/" + name));
    write_mask(folder.file("in/masks/" + name));
  }
  const std::string message = import_refusal(folder);
  CHECK_MESSAGE(contains(message, "splits: 1 of 3 cases are in no split: case more ("), message);
  ImportOptions options;
  options.discover.labels = false;
  CHECK(import_dataset({folder.file("in/images")}, folder.file("out.h5"), options).cases == 3);
  for (const char* split : {"train", "test", "more"}) {
    write_picture(folder.file(std::string("two/") + split + "/images/a.png"));
    write_mask(folder.file(std::string("two/") + split + "/masks/a.png"));
  }
  const ImportReport report = import_dataset({folder.file("two")}, folder.file("out.h5"));
  CHECK(report.cases == 2);
  CHECK_MESSAGE(contains(notes_of(report.notes), "left alone: more."), notes_of(report.notes));
}

TEST_CASE("objects in files of their own become one class, with borders a second one") {
  const Folder folder;
  write_picture(folder.file("in/c/images/c.png"), 1, {1, 6});
  write_image(made(folder.file("in/c/masks/1.png")), image_of({1, 6}, {255, 255, 0, 0, 0, 0}));
  write_image(made(folder.file("in/c/masks/2.png")), image_of({1, 6}, {0, 0, 255, 255, 0, 255}));
  import_folder(folder);
  CHECK(Dataset::open(folder.file("out.h5")).read(0).label.to_vector<int>() == std::vector<int>({1, 1, 1, 1, 0, 1}));
  ImportOptions options;
  options.labels.border = true;
  CHECK(import_folder(folder, options).class_names == Names({"background", "object", "border"}));
  CHECK(Dataset::open(folder.file("out.h5")).read(0).label.to_vector<int>() == std::vector<int>({1, 2, 2, 1, 0, 1}));
}

TEST_CASE("images alone make a dataset without labels") {
  const Folder folder;
  write_picture(folder.file("in/a.png"));
  ImportOptions options;
  options.discover.labels = false;
  options.spacing = {0.5, 0.25};
  options.labels.class_names = {"tumour"};
  CHECK(contains(import_refusal(folder, options), "class names: only tumour is given"));
  options.labels.class_names = {"background", "tumour"};
  const ImportReport report = import_folder(folder, options);
  CHECK(!report.labelled);
  CHECK(report.class_names == Names({"background", "tumour"}));
  const Dataset dataset = Dataset::open(folder.file("out.h5"));
  CHECK(!dataset.info().labelled);
  CHECK(dataset.info().physical);
  CHECK(dataset.info().spacings[0] == std::vector<double>({0.5, 0.25}));
}

TEST_CASE("what does not fit together is refused, and nothing is left behind") {
  const Folder folder;
  write_picture(folder.file("in/images/a.png"));
  write_mask(folder.file("in/masks/a.png"), {0, 255});
  CHECK(contains(import_refusal(folder), "use the label map 0:0,255:1"));
  CHECK(contains(import_refusal(folder, import_map({{0, 0}})),
                 "the value 255 (case a, 24 voxels) is not in the label map"));
  ImportOptions options = import_map({{0, 0}, {255, 1}});
  options.spacing = {1, 1, 1};
  CHECK(contains(import_refusal(folder, options), "2 positive numbers are needed, y, x"));
  write_bytes(folder.file("in/images/b.png"), "");
  write_mask(folder.file("in/masks/b.png"), {0, 255});
  CHECK(contains(import_refusal(folder, import_map({{0, 0}, {255, 1}})), "b.png"));
  std::filesystem::remove(folder.file("in/images/b.png"));
  write_volume(folder.file("in/images/b.nii"), {2, 6, 8}, [](std::int64_t i) { return static_cast<int>(i); });
  CHECK(
      contains(import_refusal(folder, import_map({{0, 0}, {255, 1}})), "has 3 axes in space, the cases before have 2"));
}

TEST_CASE("a mask that is changed while it is imported is named") {
  const Folder folder;
  write_picture(folder.file("in/images/a.png"));
  write_mask(folder.file("in/masks/a.png"), {0, 255});
  ImportOptions options = import_map({{0, 0}, {255, 1}});
  options.progress = [&](std::int64_t done, std::int64_t) {
    if (done == 1) write_mask(folder.file("in/masks/a.png"), {0, 100, 255});  // the values have been counted
  };
  const std::string message = import_refusal(folder, options);
  CHECK_MESSAGE(contains(message, "masks/a.png: the value 100 was not there when the values were counted"), message);
}

TEST_CASE("values that are not finite are named with their file and voxel") {
  for (const auto& [value, name] : std::map<float, std::string>{{-INFINITY, "-inf"}, {INFINITY, "inf"}, {0, "nan"}}) {
    const Folder folder;
    Image image = image_of({2, 2, 2}, {0, 1, 2, 3, 4, value == 0 ? -NAN : value, 6, NAN}, 1, Element::f32);
    image.affine = data::Affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
    write_image(made(folder.file("in/images/a.nii")), image);
    write_volume(folder.file("in/labels/a.nii"), {2, 2, 2}, [](std::int64_t i) { return static_cast<int>(i % 2); });
    const std::string message = import_refusal(folder);
    CHECK_MESSAGE(contains(message, "a.nii: value " + name + " at voxel [1, 0, 1]\n"), message);
  }
}

TEST_CASE("real folders: labels and intensities of the source, voxel by voxel") {
  const std::string root = real_data() + "/import";
  if (real_data().empty() || !std::filesystem::exists(root)) {
    CHECK(true);
    MESSAGE("skipped: no real data in VOXGRAD_REAL_DATA");
    return;
  }
  const Folder folder;
  if (data::has_nifti()) {
    CHECK(import_dataset({root + "/msd"}, folder.file("msd.h5")).class_names ==
          Names({"background", "Anterior", "Posterior"}));
    const Dataset msd = Dataset::open(folder.file("msd.h5"));
    REQUIRE(msd.size() == 6);
    for (std::int64_t i = 0; i < msd.size(); ++i) {
      const Case one = msd.read(i);  // the files are in RAS already
      const std::string file = "/" + one.id + ".nii.gz";
      CHECK(one.image.to_vector<float>() == data::read_image(root + "/msd/imagesTr" + file).values.to_vector<float>());
      CHECK(one.label.to_vector<float>() == data::read_image(root + "/msd/labelsTr" + file).values.to_vector<float>());
    }
  }
  import_dataset({root + "/png"}, folder.file("png.h5"), import_map({{0, 0}, {255, 1}}));
  const Dataset png = Dataset::open(folder.file("png.h5"));
  REQUIRE(png.size() == 8);
  for (std::int64_t i = 0; i < png.size(); ++i) {
    const Case one = png.read(i);
    std::vector<float> mask = data::read_image(root + "/png/masks/" + one.id + ".png").values.to_vector<float>();
    for (float& value : mask) value /= 255;
    CHECK(one.label.to_vector<float>() == mask);
  }
}

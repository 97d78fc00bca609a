// `voxgrad import`, run as a user would, until a training starts on what it wrote.
#include "apps/program/json.h"
#include "data/dataset.h"
#include "tests/apps/support.h"
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

namespace {

void write_cells(const Folder& folder, const std::vector<int>& values = {0, 255}) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    write_picture(folder.file(std::string("in/images/") + name + ".png"), 1, {32, 32});
    write_mask(folder.file(std::string("in/masks/") + name + "_mask.png"), values, {32, 32});
  }
}

Outcome import_cells(const Folder& folder, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"import", folder.file("in"), "-o", folder.file("cells.h5")});
  return program(flags);
}

}  // namespace

TEST_CASE("masks of 0 and 255 are refused with the flag that reads them, and train with it") {
  const Folder folder;
  write_cells(folder);
  const Outcome refused = import_cells(folder, {});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "hint: --label-map 0:0,255:1"), refused.err);
  CHECK(!std::filesystem::exists(folder.file("cells.h5")));
  const Outcome imported = import_cells(folder, {"--label-map", "0:0,255:1", "--class-names", "background,cell"});
  REQUIRE_MESSAGE(imported.code == 0, imported.err);
  CHECK(imported.out.empty());
  CHECK_MESSAGE(contains(imported.err, "7 cases, 32x32, 1 channel of u8"), imported.err);
  CHECK(contains(imported.err, "classes background, cell"));
  CHECK(contains(imported.err, "wrote " + folder.file("cells.h5")));
  CHECK(program({"inspect", folder.file("cells.h5")}).code == 0);
  CHECK(program(small_training(folder.file("cells.h5"), folder.file("run"))).code == 0);
}

TEST_CASE("an image without a mask is refused with the flag that leaves it out") {
  const Folder folder;
  write_cells(folder, {0, 1});
  std::filesystem::remove(folder.file("in/masks/c_mask.png"));
  const Outcome refused = import_cells(folder, {});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "1 image has no mask (c.png)"), refused.err);
  CHECK(contains(refused.err, "leave out what has no partner with --skip-unpaired"));
  const Outcome imported = import_cells(folder, {"--skip-unpaired"});
  REQUIRE_MESSAGE(imported.code == 0, imported.err);
  CHECK(contains(imported.err, "Left out: 1 image has no mask (c.png)."));
  CHECK(contains(imported.err, "6 cases"));
}

TEST_CASE("left and right masks in folders of their own are one foreground with --instances") {
  const Folder folder;
  for (const char* name : {"a", "b"}) {
    write_picture(folder.file(std::string("in/") + name + ".png"));
    write_mask(folder.file(std::string("drawn/left/") + name + ".png"), {0, 255});
    write_mask(folder.file(std::string("drawn/right/") + name + ".png"), {0, 255});
  }
  const Outcome refused = import_cells(folder, {"--masks", folder.file("drawn")});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "hint: use --instances if they are parts of one foreground"), refused.err);
  const Outcome imported = import_cells(folder, {"--masks", folder.file("drawn"), "--instances"});
  CHECK_MESSAGE(imported.code == 0, imported.err);
  CHECK(contains(imported.err, "classes background, object"));
}

TEST_CASE("--json describes what was written, --dry-run what would be") {
  const Folder folder;
  write_cells(folder, {0, 1, 2});
  const Outcome dry = import_cells(folder, {"--dry-run", "--json", "-q"});
  REQUIRE_MESSAGE(dry.code == 0, dry.err);
  CHECK(dry.err.empty());
  CHECK(Json::parse(dry.out)["out"].is_null());
  CHECK(!std::filesystem::exists(folder.file("cells.h5")));
  const Json json = Json::parse(import_cells(folder, {"--json", "--spacing", "0.5,0.5", "--modality", "light"}).out);
  CHECK(json["out"] == folder.file("cells.h5"));
  CHECK(json["cases"] == 7);
  CHECK(json["channels"] == 1);
  CHECK(json["classes"].size() == 3);
  CHECK(json["spacing"][1] == 0.5);
  CHECK(json["spacing_unit"] == "mm");
  CHECK(json["notes"].size() >= 2);
  CHECK(data::Dataset::open(folder.file("cells.h5")).info().attributes.at("modality") == "light");
}

TEST_CASE("an output that exists is kept unless it is to be overwritten") {
  const Folder folder;
  write_cells(folder, {0, 1});
  write_bytes(folder.file("cells.h5"), "mine");
  const Outcome refused = import_cells(folder, {});
  CHECK(refused.code == 2);
  CHECK_MESSAGE(contains(refused.err, "exists already\nhint: --overwrite"), refused.err);
  CHECK(bytes_of(folder.file("cells.h5")) == "mine");
  CHECK(import_cells(folder, {"--overwrite"}).code == 0);
  CHECK(data::Dataset::open(folder.file("cells.h5")).size() == 7);
}

TEST_CASE("an output that cannot be written is refused before the masks are looked at") {
  const Folder folder;
  write_cells(folder);  // with values that would be refused
  const std::string absent = folder.file("none/cells.h5");
  const Outcome nowhere = program({"import", folder.file("in"), "-o", absent});
  CHECK(nowhere.code == 5);
  CHECK_MESSAGE(contains(nowhere.err, "import: -o " + absent + ": there is no folder " + folder.file("none") +
                                          "\nhint: make the folder first"),
                nowhere.err);
  const Outcome taken = program({"import", folder.file("in"), "-o", folder.file("in"), "--overwrite"});
  CHECK(taken.code == 2);
  CHECK_MESSAGE(contains(taken.err, "import: " + folder.file("in") + " is a folder\nhint: -o FILE.h5"), taken.err);
  CHECK(program({"import", folder.file("in"), "-o", absent, "--dry-run", "--label-map", "0:0,255:1"}).code == 0);
}

TEST_CASE("the output is never one of the inputs") {
  const Folder folder;
  write_cells(folder, {0, 1});
  write_bytes(folder.file("in/dataset.json"), "{}");
  for (const char* name : {"in/images/c.png", "in/masks/c_mask.png", "in/dataset.json"}) {
    const std::string before = bytes_of(folder.file(name));
    const Outcome outcome = program({"import", folder.file("in"), "-o", folder.file(name), "--overwrite"});
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, "is one of the files that the dataset is made of"), outcome.err);
    CHECK(bytes_of(folder.file(name)) == before);
  }
}

TEST_CASE("values beyond those of masks are read with the map that is proposed") {
  const Folder folder;
  write_picture(folder.file("in/images/a.png"));
  Image mask = image_of(
      {6, 8}, 1, [](std::int64_t i) { return i < 16   ? 70000
                                             : i < 32 ? -1
                                                      : 0; }, data::h5::Element::f32);
  if (!data::has_tiff()) {
    CHECK(true);
    MESSAGE("skipped: this build reads no TIFF");
    return;
  }
  write_image(made(folder.file("in/masks/a.tif")), mask);
  const Outcome refused = import_cells(folder, {});
  CHECK_MESSAGE(contains(refused.err, "--label-map -1:0,0:1,70000:2"), refused.err);
  const Outcome outcome = import_cells(folder, {"--label-map", "-1:0,0:1,70000:2"});
  CHECK_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains(outcome.err, "predicted masks will hold the numbers of the classes"));
  CHECK(data::Dataset::open(folder.file("cells.h5")).info().source_label_map.empty());
}

TEST_CASE("colours and thresholds are found, refused with the flag, and read with it") {
  const Folder folder;
  for (const char* name : {"a", "b"}) {
    write_picture(folder.file(std::string("in/images/") + name + ".png"));
    write_image(made(folder.file(std::string("in/masks/") + name + ".png")),
                image_of({6, 8}, 3, [](std::int64_t i) { return i > 72 && i % 3 == 0 ? 255 : 0; }));
  }
  const Outcome refused = import_cells(folder, {});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "\n  #ff0000  "), refused.err);
  CHECK(contains(refused.err, "--label-map colours"));
  REQUIRE(import_cells(folder, {"--label-map", "colours"}).code == 0);
  CHECK(data::Dataset::open(folder.file("cells.h5")).info().class_colours[1] == Colour({255, 0, 0}));
  const Outcome chosen = import_cells(folder, {"--overwrite", "--label-map", "#000000:1,#ff0000:0"});
  REQUIRE_MESSAGE(chosen.code == 0, chosen.err);
  CHECK(data::Dataset::open(folder.file("cells.h5")).read(0).label.at(0, 0) == 1);
}

TEST_CASE("wrong words are usage errors that say what is right") {
  const Folder folder;
  write_cells(folder, {0, 1});
  const auto refused = [&](const std::vector<std::string>& flags, const std::string& words) {
    const Outcome outcome = import_cells(folder, flags);
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, words), outcome.err);
  };
  refused({"--label-maps", "0:0"}, "did you mean `--label-map`?");
  refused({"--label-map", "#12:1"}, "cannot read the colour in \"#12:1\"");
  refused({"--label-map", "#000000:0,#ff0000"}, "cannot read the colour in \"#ff0000\"");
  refused({"--label-map", "colour"}, "--label-map: cannot read");
  refused({"--label-map", "0:0,0:1"}, "--label-map: 0 is in it twice");
  refused({"--label-map", "#ff0000:1,#ff0000:2"}, "--label-map: #ff0000 is in it twice");
  refused({"--label-map", "0:0,1:2"}, "class 1 (class_1) has no value");
  refused({"--label-map", "0:0,1:0"}, "so there is no foreground");
  refused({"--threshold", "-5"}, "no value is at or below the threshold -5");
  for (const char* spacing : {"inf,1", "nan,1", "1e-320,1", "1,1e305", "0,1", "-1,1"})
    CHECK_MESSAGE(import_cells(folder, {"--spacing", spacing}).code == 2, spacing);
  refused({"--threshold", "12x"}, "--threshold: cannot read \"12x\"");
  refused({"--spacing", "1,b"}, "--spacing: cannot read \"b\"");
  refused({"--groups", "("}, "no regular expression");
  refused({"--groups", std::string(50'000, '(') + "a" + std::string(50'000, ')')}, "100001 characters, at most 200");
  refused({"--border"}, "hint: --instances");
  refused({"--unlabelled", "--masks", "x"}, "leave one of them out");
  refused({"--unlabelled", "--threshold", "5"}, "--threshold is about them");
  for (const char* flag : {"--instances", "--border", "--skip-unpaired"})
    refused({"--unlabelled", flag}, "is about them");
  refused({"--axes", "ZYX"}, "no file is TIFF or HDF5");
  refused({"--dry-run", "--class-names", "a,a"}, "0 and 1 are both \"a\"");
  refused({"--dry-run", "--class-names", "a,\x1b[31m"}, "1 is no printable UTF-8");
  CHECK(program({"import", folder.file("in")}).code == 2);
  CHECK(program({"import", folder.file("none"), "-o", folder.file("x.h5")}).code == 5);
}

TEST_CASE("Ctrl-C leaves no file behind") {
  const Folder folder;
  for (int i = 0; i < 40; ++i) {
    write_picture(folder.file("in/images/" + std::to_string(i) + ".png"), 3, {512, 512});
    write_mask(folder.file("in/masks/" + std::to_string(i) + ".png"), {0, 1}, {512, 512});
  }
  Running running({"import", folder.file("in"), "-o", folder.file("out/cells.h5")},
                  [&] { std::filesystem::create_directory(folder.file("out")); });
  for (int i = 0; i < 10'000; ++i) {
    if (std::filesystem::exists(folder.file("out")) && !std::filesystem::is_empty(folder.file("out"))) break;
    ::usleep(1000);
  }
  running.send(SIGINT);
  CHECK(running.wait().code == 130);
  CHECK(std::filesystem::is_empty(folder.file("out")));
}

TEST_CASE("a volume of the Decathlon needs no flags") {
  if (!data::has_nifti()) {
    CHECK(true);
    MESSAGE("skipped: this build reads no NIfTI");
    return;
  }
  const Folder folder;
  for (const char* name : {"a", "b"}) {
    write_volume(folder.file(std::string("in/imagesTr/") + name + ".nii.gz"), {4, 5, 6},
                 [](std::int64_t i) { return static_cast<int>(i) - 60; });
    write_volume(folder.file(std::string("in/labelsTr/") + name + ".nii.gz"), {4, 5, 6},
                 [](std::int64_t i) { return i % 2 == 0 ? 4 : 0; });
  }
  write_bytes(folder.file("in/dataset.json"),
              R"({"modality": {"0": "CT"}, "labels": {"0": "background", "4": "tumour"},
                  "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},
                               {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"}]})");
  const Outcome outcome = import_cells(folder, {});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const data::DatasetInfo info = data::Dataset::open(folder.file("cells.h5")).info();
  CHECK(info.attributes.at("modality") == "CT");
  CHECK(info.class_names[1] == "tumour");
  CHECK(info.source_label_map == std::map<int, int>({{0, 0}, {4, 1}}));
}

// The verb inspect: digits for every unit, the splits that a training would use, and what is wrong with them.
#include "apps/program/json.h"
#include "data/formats/image.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;

TEST_CASE("intensities and spacings have digits in any unit") {
  const Folder folder;
  data::DatasetContents contents = random_contents({{4, 5}, {4, 5}, {4, 5}}, 1, 2);
  for (data::Case& one : contents.cases) {
    for (std::int64_t i = 0; i < 20; ++i) one.image.data<float>()[i] = 1e-9f * static_cast<float>(i + 1);
    one.spacing = {0.00025, 0.00025};
  }
  data::write_dataset(folder.file("d.h5"), contents);
  const Outcome outcome = program({"inspect", folder.file("d.h5")});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  for (const char* words : {"1e-09", "2e-08", "1.05e-08", "0.00025 x 0.00025 mm", "train 1, val 1, test 1"})
    CHECK_MESSAGE(contains(outcome.out, words), words, "\n", outcome.out);
  CHECK(outcome.err.empty());
}

TEST_CASE("empty splits and absent classes are said, in JSON too; an empty split is not taken for all cases") {
  const Folder folder;
  data::DatasetContents contents = random_contents({{4, 5}, {4, 5}, {4, 5}, {4, 5}}, 1, 3);
  for (data::Case& one : contents.cases) {
    one.group = &one == &contents.cases[0] ? "left" : "right";
    one.label = zeros({4, 5}, DType::u8);
    one.label.data<std::uint8_t>()[3] = 1;
  }
  const std::string path = folder.file("d.h5");
  data::write_dataset(path, contents);
  const Outcome outcome = program({"inspect", path});
  CHECK(outcome.code == 0);
  CHECK_MESSAGE(contains(outcome.err, "warning: no validation cases"), outcome.err);
  CHECK(contains(outcome.err, "three groups or more"));
  CHECK_MESSAGE(contains(outcome.err, "warning: class 2 (\"class 2\") is in no training case"), outcome.err);
  CHECK(Json::parse(program({"inspect", path, "--json"}).out)["warnings"].size() == 2);
  const Outcome empty = program({"inspect", path, "--split", "val"});
  CHECK(empty.code == 3);
  CHECK_MESSAGE(contains(empty.err, "no cases in the split `val`"), empty.err);
}

TEST_CASE("without labels the images are shown, in pixels if the source had no lengths; who needs labels says so") {
  const Folder folder;
  const std::string path = folder.file("new.h5");
  data::DatasetWriter::Header header;
  header.physical = false;
  data::DatasetWriter writer(path, header);
  data::Case one = random_case({4, 5}, 1, 2, Random(1));
  one.label = {};
  writer.add(one, data::h5::Element::u8);
  writer.save();
  const Outcome outcome = program({"inspect", path});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  for (const char* words : {"labels      none", "1 x 1 px", "channel"})
    CHECK_MESSAGE(contains(outcome.out, words), words, "\n", outcome.out);
  CHECK(!contains(outcome.out, "foreground"));
  const Json json = Json::parse(program({"inspect", path, "--json"}).out);
  CHECK(json["labelled"] == false);
  CHECK(json["spacing_unit"] == "px");
  CHECK(json["classes"].empty());
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"train", path, "--loss", "dice", "-o", folder.file("run")},
                                             {"compare", path, "--losses", "dice,ce", "-o", folder.file("runs")}}) {
    const Outcome refused = program(words);
    CHECK(refused.code == 3);
    CHECK_MESSAGE(contains(refused.err, "new.h5: has no labels, training needs them"), refused.err);
  }
  CHECK(contains(program({"losses", "--for", path}).err, "new.h5: has no labels, a choice of losses needs them"));
  CHECK(!std::filesystem::exists(folder.file("run")));
}

TEST_CASE(
    "a sheet of samples has a row for each of four training cases, the first as it is, and refuses what train does") {
  const Folder folder;
  for (const char* task : {"organs2d", "tumour3d"}) {
    const std::string data =
        phantom_file(folder, task, 12, task == std::string("organs2d") ? Shape{64, 64} : Shape{8, 64, 64});
    const std::string png = folder.file("s.png"), plain = folder.file("n.png");
    const Outcome outcome = program({"inspect", data, "--augment", png, "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(Json::parse(outcome.out)["augment"] == png);
    const data::Image picture = data::read_image(png);
    // The skull of tumour3d is cropped to 52 of its 64 voxels along x; around it everything is 0.
    const std::int64_t wide = task == std::string("organs2d") ? 4 * 64 : 4 * 52;
    CHECK(picture.extents()[1] == 8 * wide + 7 * 6 + 2 * 10);  // tiles of 4 pixels for each, gaps, paper
    CHECK(picture.extents()[0] > 4 * 256);
    REQUIRE(program({"inspect", data, "--augment", plain, "--augment-options", "none", "-q"}).code == 0);
    const data::Image same = data::read_image(plain);
    REQUIRE(same.extents() == picture.extents());
    // Without augmentation the second tile is the first one; with it some tile is not.
    const auto tile_differs = [&](const data::Image& of, std::int64_t tile) {
      const std::vector<double> values = of.values.to_vector<double>();
      const std::int64_t width = of.extents()[1];
      for (std::int64_t y = 10 + 26; y < 10 + 26 + 256; ++y)
        for (std::int64_t i = 0; i < 3 * wide; ++i)
          if (nth(values, (y * width + 10) * 3 + i) != nth(values, (y * width + 10 + tile * (wide + 6)) * 3 + i))
            return true;
      return false;
    };
    CHECK(!tile_differs(same, 1));
    bool any = false;
    for (std::int64_t tile = 1; tile < 8; ++tile) any = any || tile_differs(picture, tile);
    CHECK(any);
    const Outcome refused = program({"inspect", data, "--augment", png, "--augment-options", "defualt"});
    CHECK(refused.code == 2);
    CHECK_MESSAGE(contains(refused.err, "did you mean"), refused.err);
    CHECK(program({"inspect", data, "--augment", folder.file("p.jpg")}).code == 2);
  }
}

TEST_CASE("a preview draws at most nine cases, with and without labels, and never over the dataset") {
  const Folder folder;
  const std::string data = phantom_file(folder, "organs2d", 12, {48, 40}), png = folder.file("p.png");
  const Outcome outcome = program({"inspect", data, "--preview", png, "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(Json::parse(outcome.out)["preview"] == png);
  const data::Image picture = data::read_image(png);
  CHECK(picture.channels() == 3);
  CHECK(picture.extents()[1] == 3 * 6 * 40 + 2 * 6 + 2 * 10);  // tiles of 6 pixels for each, gaps, paper
  CHECK(picture.extents()[0] > 3 * 6 * 48);

  data::DatasetContents bare = data::make_phantom("organ3d", {2, {8, 16, 16}, 1});
  for (data::Case& one : bare.cases) one.label = {};
  bare.splits.clear();
  data::write_dataset(folder.file("bare.h5"), bare);
  const Outcome alone = program({"inspect", folder.file("bare.h5"), "--preview", folder.file("bare.png")});
  REQUIRE_MESSAGE(alone.code == 0, alone.err);
  CHECK(contains(alone.out, "preview     " + folder.file("bare.png")));
  CHECK(data::read_image(folder.file("bare.png")).extents()[1] == 2 * 320 + 6 + 2 * 10);

  CHECK(program({"inspect", data, "--preview", folder.file("p.jpg")}).code == 2);
  const std::string disguised = folder.file("d.png");
  std::filesystem::copy(data, disguised);
  const std::string before = bytes_of(disguised);
  const Outcome over = program({"inspect", disguised, "--preview", disguised});
  CHECK_MESSAGE(over.code == 2, over.err);
  CHECK(bytes_of(disguised) == before);
  CHECK(program({"inspect", data, "--preview", folder.file("none/p.png")}).code == 5);
}

TEST_CASE("the sheet of augmented cases has the samples of its seed") {
  const Folder folder;
  const std::string data = phantom_file(folder, "nuclei2d", 6, {32, 32});
  const auto sheet = [&](const std::string& seed) {
    const std::string path = folder.file("sheet" + seed + ".png");
    REQUIRE(program({"inspect", data, "--augment", path, "--seed", seed}).code == 0);
    return bytes_of(path);
  };
  CHECK(sheet("1") != sheet("5"));
}

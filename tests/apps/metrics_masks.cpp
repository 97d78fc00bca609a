// The verb metrics on masks that are images of their own: grey values in colours, axes that no file names, names.
#include <filesystem>

#include "apps/program/json.h"
#include "data/formats/png.h"
#include "data/h5/h5_writer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
using data::h5::Element;

namespace {

const std::vector<std::uint8_t> kTrueMask{0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const std::vector<std::uint8_t> kMovedMask{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};

// A mask of 4 x 6 pixels whose value is in so many channels; a fourth one is opaque.
void write_grey(const std::string& path, const std::vector<std::uint8_t>& labels, std::int64_t channels) {
  std::vector<std::uint8_t> samples;
  for (const std::uint8_t label : labels)
    for (std::int64_t c = 0; c < channels; ++c) samples.push_back(c == 3 ? 255 : label);
  write_bytes(path, data::to_png({4, 6, channels}, 8, samples));
}

}  // namespace

TEST_CASE("metrics takes grey masks that were saved as RGB or RGBA, as import does, and no colours") {
  const Folder folder;
  const std::string p = folder.file("p.png"), t = folder.file("t.png");
  write_grey(p, kMovedMask, 1);
  for (const std::int64_t channels : {1, 3, 4}) {
    write_grey(t, kTrueMask, channels);
    const Outcome outcome = program({"metrics", p, t, "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(Json::parse(outcome.out)["cases"][0]["classes"]["1"]["dice"] == 0.5);
  }
  std::vector<std::uint8_t> samples(std::size_t{3} * 24, 0);
  samples[0] = 255;  // a red pixel
  write_bytes(t, data::to_png({4, 6, 3}, 8, samples));
  const Outcome colours = program({"metrics", p, t});
  CHECK(colours.code == 3);
  CHECK_MESSAGE(contains(colours.err, "these are colours"), colours.err);
}

TEST_CASE("metrics --axes names the axes of masks that do not") {
  const Folder folder;
  const std::string p = folder.file("p.h5"), t = folder.file("t.png");
  data::h5::Writer writer(p);
  writer.array("/label", Element::u8, {4, 6}, kMovedMask.data());
  writer.save();
  write_grey(t, kTrueMask, 1);
  const Outcome refused = program({"metrics", p, t});
  CHECK(refused.code == 3);
  CHECK_MESSAGE(contains(refused.err, "--axes YX"), refused.err);
  const Outcome outcome = program({"metrics", p, t, "--axes", "YX", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(Json::parse(outcome.out)["cases"][0]["classes"]["1"]["dice"] == 0.5);
}

TEST_CASE("metrics: refusals of masks have a remedy, and name the flag that was given") {
  const Folder folder;
  std::filesystem::create_directory(folder.file("p"));
  std::filesystem::create_directory(folder.file("t"));
  write_grey(folder.file("p/a.png"), kMovedMask, 1);
  write_grey(folder.file("t/a_mask.png"), kTrueMask, 1);
  const Outcome names = program({"metrics", folder.file("p"), folder.file("t")});
  CHECK(names.code == 3);
  CHECK_MESSAGE(contains(names.err, "voxgrad import"), names.err);
  std::vector<std::uint8_t> wide(std::size_t{2} * 24, 0);
  wide[0] = 3, wide[1] = 232;  // 1000
  write_bytes(folder.file("t/a.png"), data::to_png({4, 6, 1}, 16, wide));
  const Outcome large = program({"metrics", folder.file("p/a.png"), folder.file("t/a.png")});
  CHECK(large.code == 3);
  CHECK_MESSAGE(contains(large.err, "label 1000 outside 0..255\nhint: "), large.err);
  const Outcome map =
      program({"metrics", folder.file("p/a.png"), folder.file("t/a_mask.png"), "--prediction-map", "x"});
  CHECK(map.code == 2);
  CHECK_MESSAGE(contains(map.err, "--prediction-map: cannot read"), map.err);
}

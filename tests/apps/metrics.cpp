// The verb metrics: where the spacing comes from, the tolerance of NSD, the JSON that scripts read.
#include <cmath>

#include "apps/program/json.h"
#include "data/h5/h5_writer.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using apps::Json;
using data::h5::Element;

namespace {

// One image of 4 x 6 pixels with these rows of labels.
void write_labels(const std::string& path, const std::vector<std::uint8_t>& labels,
                  const std::vector<double>& spacing = {}, const char* at = "/labels") {
  data::h5::Writer writer(path);
  writer.array("/labels", Element::u8, {1, 4, 6}, labels.data());
  if (!spacing.empty()) writer.attribute(at, "spacing", spacing);
  writer.save();
}

const std::vector<std::uint8_t> kTruth{0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const std::vector<std::uint8_t> kMoved{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};

Json class_one(const Outcome& outcome) {
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  return Json::parse(outcome.out)["cases"][0]["classes"]["1"];
}

}  // namespace

TEST_CASE("metrics --json has every metric per case and class, and the means") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5");
  write_labels(s, kMoved, {3, 0.5});
  write_labels(g, kTruth, {3, 0.5});
  const Outcome outcome = program({"metrics", s, g, "--json"});
  const Json values = class_one(outcome);
  for (const char* name : {"dice", "jaccard", "sensitivity", "precision", "hd95", "assd", "nsd", "volume_similarity"})
    CHECK_MESSAGE(values[name].is_number(), std::string(name));
  CHECK(values["dice"] == 0.5);
  CHECK(values["hd"] == 0.5);
  CHECK(values["assd"] == 0.25);
  CHECK(values["nsd"] == 1.0);  // the tolerance is 3 mm, the largest spacing
  const Json all = Json::parse(outcome.out);
  CHECK(all["mean"]["hd95"] == 0.5);
  CHECK(all["cases"][0]["tau_mm"] == 3.0);
  CHECK(all["cases"][0]["diagonal_mm"] == std::sqrt(12.0 * 12 + 3 * 3));
  CHECK(class_one(program({"metrics", s, g, "--tau", "0.4", "--json"}))["nsd"] == 0.5);
}

TEST_CASE("the spacing of either file will do, they must agree, and without any distances are in voxels") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5"), other = folder.file("o.h5");
  write_labels(s, kMoved);
  write_labels(g, kTruth, {3, 0.5}, "/");
  CHECK(class_one(program({"metrics", s, g, "--json"}))["hd"] == 0.5);
  CHECK(class_one(program({"metrics", g, s, "--json"}))["hd"] == 0.5);
  const Outcome voxels = program({"metrics", s, s, "--json"});
  CHECK(class_one(voxels)["hd"] == 0.0);
  CHECK_MESSAGE(contains(voxels.err, "distances are in voxels"), voxels.err);
  write_labels(other, kMoved, {3, 0.6});
  const Outcome differ = program({"metrics", other, g});
  CHECK(differ.code == 3);
  CHECK_MESSAGE(contains(differ.err, "the spacing in"), differ.err);
  write_labels(other, kMoved, {3, 0.5, 1});
  const Outcome wrong = program({"metrics", other, g});
  CHECK(wrong.code == 3);
  CHECK_MESSAGE(contains(wrong.err, "2 positive numbers"), wrong.err);
}

TEST_CASE("an empty prediction costs the diagonal in the mean; a negative tolerance is refused") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5");
  write_labels(s, std::vector<std::uint8_t>(24, 0), {1, 1});
  write_labels(g, kTruth, {1, 1});
  const Json json = Json::parse(program({"metrics", s, g, "--json"}).out);
  CHECK(json["cases"][0]["classes"]["1"]["hd95"] == "Infinity");
  CHECK(json["mean"]["hd95"] == std::sqrt(52.0));
  const Outcome shown = program({"metrics", s, g});
  CHECK_MESSAGE(contains(shown.out, "missed"), shown.out);
  CHECK(program({"metrics", s, g, "--tau", "-1"}).code == 2);
}

// The verb metrics: where the spacing comes from, the tolerance of NSD, the JSON that scripts read.
#include <cmath>
#include <filesystem>
#include <map>

#include "apps/program/json.h"
#include "data/exchange/output.h"
#include "data/formats/png.h"
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
  CHECK_MESSAGE(contains(voxels.err, "case \"0\": no `spacing` in either file: distances are in voxels"), voxels.err);
  CHECK(Json::parse(voxels.out)["unit"] == "voxels");
  CHECK(Json::parse(program({"metrics", s, g, "--json"}).out)["unit"] == "mm");
  CHECK(Json::parse(program({"metrics", g, g, "--json"}).out)["unit"] == "mm");
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

TEST_CASE("masks of 0 and 255 are refused as in a dataset, and a map of each file's own makes them classes") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5");
  std::vector<std::uint8_t> masks = kTruth;
  for (std::uint8_t& label : masks) label = label == 0 ? 0 : 255;
  write_labels(s, kTruth, {1, 1});
  write_labels(g, masks, {1, 1});
  const Outcome truth = program({"metrics", s, g});
  CHECK(truth.code == 3);
  CHECK_MESSAGE(contains(truth.err, "value 255 outside 0..1 (dataset /labels of g.h5)"), truth.err);
  CHECK_MESSAGE(contains(truth.err, "hint: --label-map 0:0,255:1"), truth.err);
  CHECK(class_one(program({"metrics", s, g, "--label-map", "0:0,255:1", "--json"}))["dice"] == 1.0);
  const Outcome prediction = program({"metrics", g, s});
  CHECK(prediction.code == 3);
  CHECK_MESSAGE(contains(prediction.err, "hint: --prediction-map 0:0,255:1"), prediction.err);
  CHECK(class_one(program({"metrics", g, s, "--prediction-map", "0:0,255:1", "--json"}))["dice"] == 1.0);
  CHECK(class_one(program(
            {"metrics", g, g, "--label-map", "0:0,255:1", "--prediction-map", "0:0,255:1", "--json"}))["dice"] == 1.0);

  std::filesystem::create_directory(folder.file("images"));  // a folder is named as it is, whatever its path ends with
  write_bytes(folder.file("images/a.png"), data::to_png({4, 6, 1}, 8, masks));
  for (const char* path : {"images", "images/"}) {
    const Outcome images = program({"metrics", folder.file(path), g, "--label-map", "0:0,255:1"});
    CHECK(images.code == 3);
    CHECK_MESSAGE(contains(images.err, "value 255 outside 0..1 (dataset /cases/a/label of images)"), images.err);
  }
}

namespace {

// Several images of 2 x 2 pixels, and what else the file says.
void write_named(const std::string& path, const std::vector<std::string>& ids,
                 const std::vector<std::string>& classes) {
  data::h5::Writer writer(path);
  const std::vector<std::uint8_t> labels(4 * ids.size(), 1);
  writer.array("/labels", Element::u8, {std::ssize(ids), 2, 2}, labels.data());
  writer.attribute("/labels", "spacing", std::vector<double>{1, 1});
  writer.texts("/case_ids", ids);
  if (!classes.empty()) writer.attribute("/", "class_names", classes);
  writer.save();
}

}  // namespace

TEST_CASE("cases that the prediction lacks are named and counted; others and repeated ones are refused") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5");
  write_named(g, {"a", "b", "c", "d", "e", "f", "g", "h"}, {});
  write_named(s, {"d", "b"}, {});
  const Outcome some = program({"metrics", s, g, "--json"});
  CHECK(some.code == 0);
  CHECK_MESSAGE(
      contains(some.err, "6 of the 8 cases of " + g + " are not in " + s + " and not counted: a, c, e, f, g, .."),
      some.err);
  const Json json = Json::parse(some.out);
  CHECK(json["missing"] == Json({"a", "c", "e", "f", "g", "h"}));
  CHECK(json["cases"].size() == 2);
  CHECK(Json::parse(program({"metrics", g, g, "--json"}).out)["missing"] == Json::array());
  write_named(s, {"b", "z"}, {});
  const Outcome unknown = program({"metrics", s, g});
  CHECK(unknown.code == 3);
  CHECK_MESSAGE(contains(unknown.err, "case \"z\" is not in"), unknown.err);
  write_named(s, {"b", "b"}, {});
  const Outcome twice = program({"metrics", s, g});
  CHECK(twice.code == 3);
  CHECK_MESSAGE(contains(twice.err, "s.h5: case id 0 and 1 are both \"b\""), twice.err);
}

TEST_CASE("class names that differ are refused with both lists; names of either file will do") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5");
  write_named(s, {"a"}, {"background", "liver", "tumour"});
  write_named(g, {"a"}, {"background", "tumour", "liver"});
  const Outcome swapped = program({"metrics", s, g});
  CHECK(swapped.code == 3);
  CHECK_MESSAGE(contains(swapped.err, "s.h5 has background, liver, tumour; "), swapped.err);
  CHECK_MESSAGE(contains(swapped.err, "g.h5 has background, tumour, liver"), swapped.err);
  write_named(g, {"a"}, {});
  CHECK(program({"metrics", s, g}).code == 0);
  const Outcome names = program({"metrics", g, s});
  CHECK_MESSAGE(contains(names.out, "tumour"), names.out);
}

TEST_CASE("volumes that lie differently are compared in the same order; if one file does not say it, as stored") {
  const Folder folder;
  const std::string s = folder.file("s.h5"), g = folder.file("g.h5"), plain = folder.file("p.h5");
  const auto write = [](const std::string& path, const std::vector<std::uint8_t>& labels, double x) {
    data::h5::Writer writer(path);
    writer.group("/cases");
    writer.group("/cases/a");
    writer.array("/cases/a/label", Element::u8, {1, 2, 2}, labels.data());
    writer.attribute("/cases/a", "spacing", std::vector<double>{3, 2, 1});
    if (x != 0)
      writer.attribute("/cases/a", "affine", {x, 0, 0, x < 0 ? 1.0 : 0.0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1}, {4, 4});
    writer.save();
  };
  write(g, {0, 1, 0, 0}, 1);
  write(s, {1, 0, 0, 0}, -1);
  write(plain, {1, 0, 0, 0}, 0);
  CHECK(class_one(program({"metrics", s, g, "--json"}))["dice"] == 1.0);
  CHECK(class_one(program({"metrics", plain, g, "--json"}))["dice"] == 0.0);
  CHECK(class_one(program({"metrics", plain, s, "--json"}))["dice"] == 1.0);
  data::h5::Writer shifted(folder.file("m.h5"));
  const std::vector<std::uint8_t> labels{0, 1, 0, 0};
  shifted.group("/cases");
  shifted.group("/cases/a");
  shifted.array("/cases/a/label", Element::u8, {1, 2, 2}, labels.data());
  shifted.attribute("/cases/a", "spacing", std::vector<double>{3, 2, 1});
  shifted.attribute("/cases/a", "affine", {1, 0, 0, 50, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1}, {4, 4});
  shifted.save();
  const Outcome elsewhere = program({"metrics", folder.file("m.h5"), g});
  CHECK(elsewhere.code == 3);
  CHECK_MESSAGE(contains(elsewhere.err, "lies elsewhere"), elsewhere.err);
}

TEST_CASE("masks that do not say how they lie are in the order of the source, labels of cases in that of the arrays") {
  const Folder folder;
  const std::vector<std::uint8_t> ras{0, 1, 0, 0, 0, 1, 0, 0}, las{1, 0, 0, 0, 1, 0, 0, 0};
  const auto write_cases = [&](const std::string& name, const std::vector<std::uint8_t>& labels, bool place) {
    data::h5::Writer out(folder.file(name));
    out.group("/cases");
    out.group("/cases/a");
    out.array("/cases/a/label", Element::u8, {2, 2, 2}, labels.data());
    out.attribute("/cases/a", "spacing", std::vector<double>{3, 2, 1});
    if (place) {
      out.attribute("/cases/a", "affine", {1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1}, {4, 4});
      for (const auto& [attribute, value] : std::map<std::string, std::string>{
               {"source", "a.nii"}, {"source_kind", "NIfTI"}, {"source_orientation", "LAS"}})
        out.attribute("/cases/a", attribute, value);
    }
    out.save();
    return folder.file(name);
  };
  const auto write_masks = [&](const std::string& name, const std::vector<std::uint8_t>& labels) {
    std::filesystem::create_directories(folder.file(name));
    data::h5::Writer out(folder.file(name + "/a.h5"));
    out.array("/label", Element::u8, {2, 2, 2}, labels.data());
    out.attribute("/label", "axes", std::string("ZYX"));
    out.attribute("/label", "spacing", std::vector<double>{3, 2, 1});
    out.attribute("/label", "spacing_unit", std::string("mm"));
    out.save();
    return folder.file(name);
  };
  const std::string set = write_cases("set.h5", ras, true), array = write_cases("array.h5", ras, false),
                    masks = write_masks("masks", las);
  for (const std::string& other : {array, masks}) {
    CHECK(class_one(program({"metrics", other, set, "--json"}))["dice"] == 1.0);
    CHECK(class_one(program({"metrics", set, other, "--json"}))["dice"] == 1.0);
  }
}

TEST_CASE("a prediction brings the label map of its training for a truth with other values") {
  const Folder folder;
  const auto write = [&](const std::string& name, const std::vector<std::uint8_t>& labels, bool map) {
    data::h5::Writer out(folder.file(name));
    out.attribute("/", "class_names", std::vector<std::string>{"background", "cell"});
    if (map) out.attribute("/", "label_map", std::string("0:0,4:1"));
    out.array("/labels", Element::u8, {1, 4, 6}, labels.data());
    out.attribute("/labels", "spacing", std::vector<double>{1, 1});
    out.save();
    return folder.file(name);
  };
  std::vector<std::uint8_t> stored = kTruth;
  for (std::uint8_t& label : stored) label = static_cast<std::uint8_t>(4 * label);
  const std::string found = write("p.h5", kMoved, true);
  CHECK(class_one(program({"metrics", found, write("raw.h5", stored, false), "--json"}))["dice"] == 0.5);
  CHECK(class_one(program({"metrics", found, write("t.h5", kTruth, false), "--json"}))["dice"] == 0.5);
  CHECK(class_one(program({"metrics", found, write("i.h5", kTruth, true), "--json"}))["dice"] == 0.5);
}

TEST_CASE("masks that are images are compared as labels in HDF5 are, by the names of their files") {
  const Folder folder;
  const auto write = [&](const std::string& name, const std::vector<std::uint8_t>& labels, float scale = 1) {
    data::Image mask;
    mask.values = empty({4, 6, 1});
    for (std::size_t i = 0; i < labels.size(); ++i)
      mask.values.data<float>()[i] = scale * static_cast<float>(labels[i]);
    mask.element = Element::u8;
    mask.spacing = {1, 1};
    data::write_image(folder.file(name), mask);
  };
  std::filesystem::create_directories(folder.file("p"));
  std::filesystem::create_directories(folder.file("t"));
  write("p/a.png", kMoved);
  write("t/a.png", kTruth, 255);
  write("t/b.png", kTruth, 255);
  const Outcome two = program({"metrics", folder.file("p"), folder.file("t"), "--label-map", "0:0,255:1", "--json"});
  CHECK(class_one(two)["dice"] == 0.5);
  CHECK(Json::parse(two.out)["missing"] == Json::array({"b"}));
  write("t.png", kTruth);
  write("p.png", kMoved);
  CHECK(class_one(program({"metrics", folder.file("p.png"), folder.file("t.png"), "--json"}))["dice"] == 0.5);
  const Outcome unmapped = program({"metrics", folder.file("p/a.png"), folder.file("t/a.png")});
  CHECK(unmapped.code == 3);
  CHECK_MESSAGE(contains(unmapped.err, "--label-map 0:0,255:1"), unmapped.err);
}

TEST_CASE("masks of a folder may be HDF5 files, as they are exported") {
  const Folder folder;
  std::filesystem::create_directories(folder.file("p"));
  const auto write = [&](const char* axes) {
    data::h5::Writer out(folder.file("p/a.h5"));
    out.array("/label", Element::u8, {4, 6}, kMoved.data());
    out.attribute("/label", "axes", std::string(axes));
    out.save();
  };
  write("YX");
  std::filesystem::create_directories(folder.file("t"));
  write_bytes(folder.file("t/a.png"), data::to_png({4, 6, 1}, 8, kTruth));
  CHECK(class_one(program({"metrics", folder.file("p"), folder.file("t"), "--json"}))["dice"] == 0.5);
  CHECK(class_one(program({"metrics", folder.file("p/a.h5"), folder.file("t/a.png"), "--json"}))["dice"] == 0.5);
  data::Case place;
  place.spacing = {3, 0.5};
  const Tensor truth = from_vector<std::uint8_t>({4, 6}, kTruth);
  for (const char* name : {"mm/a.h5", "mm_too/a.h5"}) {
    std::filesystem::create_directories(std::filesystem::path(folder.file(name)).parent_path());
    data::write_mask(folder.file(name), truth, place, true, {});
  }
  CHECK(contains(program({"metrics", folder.file("mm"), folder.file("mm_too")}).out, "mm"));
  CHECK(!contains(program({"metrics", folder.file("mm"), folder.file("mm_too")}).out, "px"));
  write_bytes(folder.file("mm/b.png"), data::to_png({4, 6, 1}, 8, kTruth));
  const Outcome two_units = program({"metrics", folder.file("mm"), folder.file("mm")});
  CHECK(two_units.code == 3);
  CHECK_MESSAGE(contains(two_units.err, "b.png: the size of its voxels is not known"), two_units.err);
  write("NX");
  const Outcome outcome = program({"metrics", folder.file("p"), folder.file("t")});
  CHECK(outcome.code == 3);
  CHECK_MESSAGE(contains(outcome.err, "the axes \"NX\" do not fit"), outcome.err);
}

TEST_CASE("two masks that would be one case are named") {
  const Folder folder;
  std::filesystem::create_directories(folder.file("p/b"));
  for (const char* name : {"p/b_a.png", "p/b/a.png"})
    write_bytes(folder.file(name), data::to_png({4, 6, 1}, 8, kTruth));
  const Outcome outcome = program({"metrics", folder.file("p"), folder.file("p")});
  CHECK(outcome.code == 3);
  CHECK_MESSAGE(contains(outcome.err,
                         folder.file("p/b/a.png") + " and " + folder.file("p/b_a.png") + " would both be the case b_a"),
                outcome.err);
}

TEST_CASE("pixels of pictures and millimetres are not compared, and messages name the files that were given") {
  const Folder folder;
  const auto write_truth = [&](const std::string& name, const std::vector<std::uint8_t>& labels,
                               const std::vector<double>& spacing, bool physical) {
    data::h5::Writer out(folder.file(name));
    out.array("/labels", Element::u8, {1, 4, 6}, labels.data());
    out.attribute("/labels", "spacing", spacing);
    out.texts("/case_ids", {"a"});
    if (!physical) out.attribute("/", "spacing_unit", std::string("px"));
    out.save();
    return folder.file(name);
  };
  const std::string png = folder.file("a.png"), mm = write_truth("mm.h5", kTruth, {3, 0.5}, true),
                    px = write_truth("px.h5", kTruth, {3, 3}, false);
  write_bytes(png, data::to_png({4, 6, 1}, 8, kMoved));
  CHECK(class_one(program({"metrics", png, mm, "--json"}))["hd"] == 0.5);
  CHECK(class_one(program({"metrics", mm, png, "--json"}))["hd"] == 0.5);
  for (const Outcome& shown : {program({"metrics", png, mm}), program({"metrics", mm, png})})
    CHECK_MESSAGE((contains(shown.out, "mm") && !contains(shown.out, "px")), shown.out);
  const Outcome differ = program({"metrics", png, px});
  CHECK(differ.code == 3);
  CHECK_MESSAGE(contains(differ.err, "the spacing in " + png + " is 1x1, that in " + px + " is 3x3"), differ.err);
  CHECK_MESSAGE(contains(differ.err, "hint: compare masks of one image"), differ.err);
}

TEST_CASE(
    "masks: a JPEG is refused, whatever it is called, and a label beyond the classes is named with its file and case") {
  const Folder folder;
  const auto write = [&](const std::string& name, const std::vector<std::uint8_t>& labels) {
    write_bytes(folder.file(name), data::to_png({4, 6, 1}, 8, labels));
    return folder.file(name);
  };
  const std::string truth = write("b.png", kTruth);
  for (const char* name : {"m.jpg", "m.png"}) {
    write_bytes(folder.file(name), "\xFF\xD8\xFF\xE0 and so on");
    const Outcome jpeg = program({"metrics", folder.file(name), truth});
    CHECK(jpeg.code == 3);
    CHECK_MESSAGE(contains(jpeg.err, std::string(name) + ": a mask cannot be a JPEG"), jpeg.err);
  }
  std::vector<std::uint8_t> odd = kMoved;
  odd[3] = 255;
  const std::string prediction = write("a.png", odd);
  const Outcome outcome = program({"metrics", prediction, truth});
  CHECK(outcome.code == 3);
  CHECK_MESSAGE(contains(outcome.err, prediction + ": case \"a\": label 255 outside 0..1, 1 voxel"), outcome.err);
  CHECK_MESSAGE(contains(outcome.err, "hint: --prediction-map"), outcome.err);
}

TEST_CASE("Ctrl-C ends metrics of masks, and leaves no temporary folder") {
  const Folder folder;
  const std::string temporary = folder.file("tmp"), masks = folder.file("masks");
  std::filesystem::create_directory(temporary);
  std::filesystem::create_directory(masks);
  data::Image mask;
  mask.element = Element::u8;
  mask.spacing = {1, 1};
  mask.values = empty({512, 512, 1});
  for (std::int64_t i = 0; i < mask.values.numel(); ++i)
    mask.values.data<float>()[i] = static_cast<float>(i % 512 / 8 % 2);
  data::write_image(masks + "/0.png", mask);
  for (int i = 1; i < 60; ++i) std::filesystem::copy(masks + "/0.png", masks + text("/", i, ".png"));
  Running process({"metrics", masks, masks}, [&] { ::setenv("TMPDIR", temporary.c_str(), 1); });
  for (int i = 0; i < 20'000 && std::filesystem::is_empty(temporary); ++i) ::usleep(1000);
  CHECK(!std::filesystem::is_empty(temporary));
  process.send(SIGINT);
  CHECK(process.wait().code == 130);
  CHECK(std::filesystem::is_empty(temporary));
}

// What format 1 stores besides images and labels: where volumes lie, where cases come from, colours, units; and files
// without labels.
#include "data/format.h"

#include <limits>

#include "data/fingerprint.h"
#include "data/h5/h5_writer.h"
#include "data/sampling/fields.h"
#include "data/sampling/loader.h"
#include "tests/data/recipe.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// One volume of 2 x 3 x 4 voxels, stored with x to the left, y to the front and z upwards: "LAS".
struct Volume {
  std::vector<double> affine{-1, 0, 0, 30, 0, 2, 0, 5, 0, 0, 3, 7, 0, 0, 0, 1};
  Shape affine_extents{4, 4};
  std::vector<double> spacing{3, 2, 1};
  std::function<void(data::h5::Writer&)> more = [](data::h5::Writer&) {};

  std::string write(const Folder& folder) const {
    const std::string path = folder.file("v.h5");
    data::h5::Writer out(path);
    out.attribute("/", "format", std::string("voxgrad-dataset"));
    out.attribute("/", "format_version", std::int64_t{1});
    out.attribute("/", "class_names", std::vector<std::string>{"background", "tumour"});
    out.group("/cases");
    out.group("/cases/a");
    std::vector<float> values(24);
    std::iota(values.begin(), values.end(), 0.0f);
    std::vector<std::uint8_t> labels(24);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 4 == 3;  // the left end of x
    out.array("/cases/a/image", h5::Element::f32, {2, 3, 4, 1}, values.data());
    out.attribute("/cases/a/image", "axes", std::string("ZYXC"));
    out.array("/cases/a/label", h5::Element::u8, {2, 3, 4}, labels.data());
    out.attribute("/cases/a/label", "axes", std::string("ZYX"));
    out.attribute("/cases/a", "spacing", spacing);
    if (!affine.empty()) out.attribute("/cases/a", "affine", affine, affine_extents);
    more(out);
    out.save();
    return path;
  }
};

std::vector<int> first(const Tensor& x, std::size_t count) {
  std::vector<int> values = x.to_vector<int>();
  values.resize(count);
  return values;
}

std::string volume_refusal(const std::function<void(Volume&)>& change) {
  const Folder folder;
  Volume volume;
  change(volume);
  const std::string path = volume.write(folder);
  return error_of([&] { Dataset::open(path).read(0); });
}

}  // namespace

TEST_CASE("format: a volume with an affine is turned to RAS, image, label, spacing and affine") {
  const Folder folder;
  const Dataset dataset = Dataset::open(Volume{}.write(folder));
  const Case one = dataset.read(0);
  CHECK(dataset.info().orientations == std::vector<std::string>{"LAS"});
  CHECK(one.orientation == "LAS");
  REQUIRE(one.affine.has_value());
  CHECK(*one.affine == Affine{{{1, 0, 0, 27}, {0, 2, 0, 5}, {0, 0, 3, 7}}});  // voxel 3 of x lay at 30 - 3
  CHECK(first(one.image, 5) == std::vector<int>{3, 2, 1, 0, 7});
  CHECK(first(one.label, 5) == std::vector<int>{1, 0, 0, 0, 1});
  Volume axial;  // x and z exchanged: the last axis of the array runs upwards
  axial.affine = {0, 0, 2, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1};
  axial.affine_extents = {16};
  axial.spacing = {2, 3, 1};
  const Dataset turned = Dataset::open(axial.write(folder));
  CHECK(turned.info().shapes[0] == Shape{4, 3, 2});
  CHECK(turned.info().spacings[0] == std::vector<double>{1, 3, 2});
  const Case other = turned.read(0);
  CHECK(other.image.shape() == Shape{4, 3, 2, 1});
  CHECK(first(other.image, 4) == std::vector<int>{0, 12, 4, 16});
  CHECK(other.spacing == std::vector<double>{1, 3, 2});
}

TEST_CASE("format: an affine that cannot be meant is refused with the case") {
  CHECK(volume_refusal([](Volume&) {}) == "");
  CHECK(volume_refusal([](Volume& v) { v.spacing[2] = 1.0009; }) == "");
  CHECK(contains(volume_refusal([](Volume& v) { v.spacing[2] = 1.1; }),
                 "v.h5: case 0 (\"a\"): spacing is 3, 2, 1.1, but that of the affine is 3, 2, 1"));
  CHECK(contains(volume_refusal([](Volume& v) { v.affine[0] = 0; }), "v.h5: case 0 (\"a\"): affine: "));
  CHECK(contains(volume_refusal([](Volume& v) { v.affine[7] = std::nan(""); }),
                 "group /cases/a of v.h5: affine: element 1, 3 is nan"));
  CHECK(contains(volume_refusal([](Volume& v) {
                   v.affine = {1, 2, 3};
                   v.affine_extents = {3};
                 }),
                 "group /cases/a of v.h5: affine must be 4 x 4 numbers"));
  CHECK(contains(volume_refusal([](Volume& v) {
                   v.more = [](auto& out) {
                     out.attribute("/cases/a", "source", std::string("a.nii"));
                     out.attribute("/cases/a", "source_kind", std::string("DICOM"));
                   };
                 }),
                 "group /cases/a of v.h5: source_kind is \"DICOM\", expected PNG"));
  CHECK(contains(volume_refusal([](Volume& v) {
                   v.more = [](auto& out) {
                     out.attribute("/cases/a", "source", std::string("a.nii"));
                     out.attribute("/cases/a", "source_kind", std::string("NIfTI"));
                     out.attribute("/cases/a", "source_orientation", std::string("RRS"));
                   };
                 }),
                 "group /cases/a of v.h5: source_orientation \"RRS\" is none"));
  CHECK(contains(volume_refusal([](Volume& v) {
                   v.more = [](auto& out) {
                     out.attribute("/cases/a", "source", std::string("a.nii"));
                     out.attribute("/cases/a", "source_kind", std::string("NIfTI"));
                     const double header = 1;
                     out.array("/cases/a/source_header", h5::Element::f64, {1}, &header);
                   };
                 }),
                 "dataset /cases/a/source_header of v.h5: is f64, expected u8"));
}

TEST_CASE("format: unit, label map and colours of the source, and texts that are none") {
  const auto with = [](const char* name, const std::string& value) {
    return [=](Recipe& r) { r.more = [=](h5::Writer& out) { out.attribute("/", name, value); }; };
  };
  const Folder folder;
  CHECK(open_recipe(folder, [](Recipe&) {}).info().physical);
  CHECK(open_recipe(folder, with("spacing_unit", "mm")).info().physical);
  CHECK(!open_recipe(folder, with("spacing_unit", "px")).info().physical);
  CHECK(open_recipe(folder, with("label_map", "0:0,255:1")).info().source_label_map ==
        std::map<int, int>{{0, 0}, {255, 1}});
  CHECK(open_recipe(folder, with("class_colours", "#000000,#fF8001")).info().class_colours ==
        std::vector<Colour>{{0, 0, 0}, {255, 128, 1}});
  CHECK(open_recipe(folder, with("label_map", "0:0")).info().attributes.empty());
  CHECK(contains(refusal(with("spacing_unit", "um")), "file cells.h5: spacing_unit is \"um\", expected mm or px"));
  for (const char* bad :
       {"", "0", "0:", "0:0,", "0:0;1:1", "0:0,0:1", "a:b", "0:99999999999", "-5:0,3:1", "0:0,65536:1"})
    CHECK_MESSAGE(contains(refusal(with("label_map", bad)), text("file cells.h5: label_map is \"", bad, "\"")), bad);
  CHECK(contains(refusal(with("label_map", "0:0,255:2")), "label_map 255:2 leads to no class"));
  for (const char* bad : {"", "#00000", "#0000000", "000000", "#-00001", "#00000g", "#000000,", "#000000 #000000"})
    CHECK_MESSAGE(contains(refusal(with("class_colours", bad)), text("file cells.h5: class_colours is \"", bad)), bad);
  CHECK(contains(refusal(with("class_colours", "#000000")), "class_colours has 1 colours for 2 classes"));
}

TEST_CASE("format: without labels a dataset has images, and who needs labels says so") {
  const Folder folder;
  const Dataset dataset = open_recipe(folder, [](Recipe& r) { r.without = "/labels"; });
  CHECK(!dataset.info().labelled);
  CHECK(dataset.size() == 2);
  CHECK(!dataset.read(1).label.defined());
  CHECK(dataset.read(1).image.shape() == Shape{2, 3, 2});
  CHECK(
      contains(error_of([&] { require_labels(dataset, "training"); }), "cells.h5: has no labels, training needs them"));
  LoaderOptions options;
  options.cases = {0};
  options.patch = {2, 2};
  for (const auto& needs : std::vector<std::function<void()>>{[&] { Loader(dataset, options); },
                                                              [&] {
                                                                Fields({}, folder.file("c.h5"))
                                                                    .prepare(
                                                                        dataset, {0}, {2, 2}, {}, [] {},
                                                                        [](const std::string&) {});
                                                              }})
    CHECK(contains(error_of(needs), "cells.h5: has no labels, "));
  const Fingerprint print = take_fingerprint(dataset, {0, 1});
  CHECK(print.voxels == 12);
  CHECK(print.classes.empty());
  CHECK(print.channels[0].max == 22);
  CHECK(error_of([&] { require_labels(open_recipe(folder, [](Recipe&) {}), "training"); }) == "");
  // What is wrong with an image is still found, and a label map has nothing to do.
  CHECK(contains(refusal([](Recipe& r) {
                   r.without = "/labels";
                   r.image_element = h5::Element::f32;
                   r.image_values.assign(24, std::numeric_limits<float>::infinity());
                 }),
                 "is not a finite number"));
  CHECK(refusal([](Recipe& r) { r.without = "/labels"; }, {.label_map = {{0, 0}, {255, 7}}}) == "");
  // Some cases with and some without are refused.
  const auto cases = [&](bool first, bool second) {
    data::h5::Writer out(folder.file("c.h5"));
    out.attribute("/", "format", std::string("voxgrad-dataset"));
    out.attribute("/", "format_version", std::int64_t{1});
    out.group("/cases");
    const std::vector<std::uint8_t> values{0, 1, 1, 0};
    for (const char* name : {"a", "b"}) {
      const std::string group = std::string("/cases/") + name;
      out.group(group);
      out.attribute(group, "spacing", std::vector<double>{1, 1});
      out.array(group + "/image", h5::Element::u8, {2, 2, 1}, values.data());
      out.attribute(group + "/image", "axes", std::string("YXC"));
      if (!(*name == 'a' ? first : second)) continue;
      out.array(group + "/label", h5::Element::u8, {2, 2}, values.data());
      out.attribute(group + "/label", "axes", std::string("YX"));
    }
    out.save();
    return error_of([&] { Dataset::open(folder.file("c.h5")).read(1); });
  };
  CHECK(cases(false, false) == "");
  CHECK(contains(cases(true, false), "group /cases/b of c.h5: has no label\nhint: label every case, or none"));
  CHECK(contains(cases(false, true), "group /cases/b of c.h5: has a label, the cases before have none"));
  CHECK(contains(cases(true, true), "file c.h5: has no attribute \"class_names\""));
}

// Where the voxels of HDF5 files of others lie: their spacing and their affine.
#include <algorithm>
#include <filesystem>

#include "data/exchange/output.h"
#include "data/space.h"
#include "tests/data/exchange/support.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::read_source_image;

namespace {

// A volume [2, 3, 4] with the values 0, 1, 2 .. and these numbers as attributes. With an affine it says its unit, as
// files do that are written here.
data::Source volume_with(const Folder& folder, const std::map<std::string, std::vector<double>>& attributes,
                         const std::string& unit = {}, const Shape& extents = {2, 3, 4}) {
  const std::string path = folder.file("a.h5");
  data::h5::Writer out(path);
  add_array(out, "/image", extents, 100);
  const std::string known = unit.empty() && attributes.contains("affine") ? "mm" : unit;
  if (!known.empty()) out.attribute("/image", "spacing_unit", known);
  for (const auto& [name, numbers] : attributes)
    out.attribute("/image", name, numbers, name == "affine" ? Shape{4, 4} : Shape{std::ssize(numbers)});
  out.save();
  data::Source source;
  source.id = "a";
  source.images = {path + ":/image"};
  return source;
}

const std::vector<double> kLeft{-1, 0, 0, 10, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1};  // x grows to the left

}  // namespace

TEST_CASE("spacing is in millimetres unless its unit says pixels, and of one slice that of a picture") {
  const Folder folder;
  const auto read = [&](const std::string& unit, const std::vector<double>& spacing, const Shape& extents = {2, 3, 4}) {
    return read_source_image(volume_with(folder, {{"spacing", spacing}}, unit, extents)).image;
  };
  for (const char* unit : {"", "mm", "px"}) {
    const Image image = read(unit, {3, 1, 0.5});
    CHECK(image.spacing == std::vector<double>({3, 1, 0.5}));
    CHECK(image.physical == (std::string(unit) != "px"));
  }
  CHECK(read("", {3, 1, 0.5}, {1, 3, 4}).spacing == std::vector<double>({1, 0.5}));
  CHECK(contains(error_of([&] {
                   read("um", {3, 1, 1});
                 }),
                 "/image of a.h5: spacing_unit is \"um\", expected mm or px"));
  CHECK(contains(error_of([&] { read("mm", {3, 0, 1}); }), "/image of a.h5: spacing has the value 0"));
  CHECK(contains(error_of([&] { read("mm", {3, 1}); }), "/image of a.h5: spacing has 2 numbers for 3 axes"));
}

TEST_CASE("sizes of all axes, the channels among them, are those of z, y and x") {
  const Folder folder;
  const Image image =
      read_source_image(volume_with(folder, {{"element_size_um", {2, 1, 0.5, 1}}}, {}, {2, 3, 4, 1}), "ZYXC").image;
  CHECK(image.spacing == std::vector<double>({0.002, 0.001, 0.0005}));
}

TEST_CASE("a spacing without a unit that may mean something else is left alone, with a note") {
  const Folder folder;
  const auto left = [&](const std::vector<double>& spacing, const std::string& axes, const std::string& why) {
    const Image image = read_source_image(volume_with(folder, {{"spacing", spacing}}), axes).image;
    CHECK(!image.physical);
    CHECK(contains(notes_of(image.notes), "The attribute spacing is not read: " + why));
  };
  left({3, 0, 1}, "ZYX", "it is not positive");
  left({3, 1}, "ZYX", "it has 2 numbers");
  left({3, 1, 1}, "XYZ", "the array has the axes XYZ");
}

TEST_CASE("an image without a place lies as its label in an HDF5 file does") {
  const Folder folder;
  data::Source source = volume_with(folder, {});
  std::filesystem::rename(folder.file("a.h5"), folder.file("image.h5"));
  source.images = {folder.file("image.h5") + ":/image"};
  source.labels = volume_with(folder, {{"affine", kLeft}}).images;
  const data::SourceImage image = read_source_image(source);
  CHECK(image.origin.orientation == "LAS");
  const std::vector<float> values = image.image.values.to_vector<float>();
  const data::SourceLabel label = read_source_label(source, image);
  CHECK(std::equal(values.begin(), values.end(), label.values.begin(), label.values.end()));
}

TEST_CASE("an affine turns a volume to RAS, and gives its spacing") {
  const Folder folder;
  const data::SourceImage read = read_source_image(volume_with(folder, {{"affine", kLeft}}));
  CHECK(read.origin.orientation == "LAS");
  CHECK(read.image.values.at(0, 0, 0, 0) == 3);
  REQUIRE(read.image.affine.has_value());
  CHECK((*read.image.affine)[0][3] == 7);
  CHECK(read.image.spacing == std::vector<double>({3, 2, 1}));
  CHECK(read.image.physical);
}

TEST_CASE("a mask that is written as HDF5 comes back in its place") {
  const Folder folder;
  const data::SourceImage read = read_source_image(volume_with(folder, {{"affine", kLeft}}));
  data::Case place;
  place.affine = read.image.affine;
  place.spacing = read.image.spacing;
  place.origin = read.origin;
  const Tensor labels = from_vector<std::uint8_t>({2, 3, 4}, read.image.values.to_vector<std::uint8_t>());
  data::write_mask(folder.file("mask.h5"), labels, place, true);
  data::Source source = volume_with(folder, {{"affine", kLeft}});
  source.labels = {folder.file("mask.h5") + ":/label"};
  const data::SourceLabel label = read_source_label(source, read);
  CHECK(label.values[0] == 3);
  CHECK(label.notes.empty());
}

TEST_CASE("an affine that cannot be, or that its spacing contradicts, is refused with its array") {
  const Folder folder;
  const auto problem = [&](const std::map<std::string, std::vector<double>>& attributes) {
    return error_of([&] { read_source_image(volume_with(folder, attributes)); });
  };
  std::vector<double> flat = kLeft;
  flat[10] = 0;
  const std::string message = problem({{"affine", flat}});
  CHECK_MESSAGE((contains(message, "/image of a.h5: affine: column 2 is zero")), message);
  CHECK(contains(problem({{"affine", kLeft}, {"resolution", {9e6, 2e6, 1e6}}}),
                 "its affine has the spacing 3, 2, 1 along z, y, x, its attributes have 9, 2, 1"));
  CHECK(problem({{"affine", kLeft}, {"resolution", {3e6, 2e6, 1e6}}}).empty());
}

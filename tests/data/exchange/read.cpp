// Images and labels of one case: what is read must be the pixels of the files, in one place in space.
#include "data/space.h"
#include "tests/data/exchange/support.h"
#include "tests/data/formats/files.h"

using namespace voxgrad;
using namespace voxgrad::test;
using data::read_source_image;
using data::read_source_label;
using data::Source;
using data::SourceImage;
using data::SourceLabel;
using Numbers = std::vector<std::int32_t>;

namespace {

Source source_of_files(const std::vector<std::string>& images, const std::vector<std::string>& labels = {}) {
  Source source;
  source.id = "one";
  source.images = images;
  source.labels = labels;
  return source;
}

SourceLabel label_of(const Source& source) { return read_source_label(source, read_source_image(source)); }

std::string case_refusal(const Source& source) {
  return error_of([&] {
    const SourceImage image = read_source_image(source);
    if (!source.labels.empty()) read_source_label(source, image);
  });
}

}  // namespace

TEST_CASE("an opaque alpha channel is left out, a transparent one refused") {
  const Folder folder;
  const auto with_alpha = [](int alpha) {
    return image_of({2, 2}, 4, [=](std::int64_t i) { return i % 4 == 3 ? alpha : static_cast<int>(i); });
  };
  write_image(folder.file("a.png"), with_alpha(255));
  const Image image = read_source_image(source_of_files({folder.file("a.png")})).image;
  CHECK(image.values.shape() == Shape{2, 2, 3});
  CHECK(image.values.to_vector<int>() == std::vector<int>({0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14}));
  write_image(folder.file("b.png"), with_alpha(254));
  CHECK(contains(case_refusal(source_of_files({folder.file("b.png")})), "4 pixels are transparent"));
}

TEST_CASE("a palette becomes its colours in an image and stays indices in a mask") {
  const Folder folder;
  Image indexed = image_of({1, 3}, {2, 0, 1});
  indexed.palette = {{0, 0, 0}, {9, 8, 7}, {255, 0, 255}};
  write_image(folder.file("colours.png"), indexed);
  indexed.palette = {{0, 0, 0}, {9, 9, 9}, {50, 50, 50}};
  write_image(folder.file("greys.png"), indexed);
  const Image colours = read_source_image(source_of_files({folder.file("colours.png")})).image;
  CHECK(colours.values.to_vector<int>() == std::vector<int>({255, 0, 255, 0, 0, 0, 9, 8, 7}));
  const Image greys = read_source_image(source_of_files({folder.file("greys.png")})).image;
  CHECK(greys.values.shape() == Shape{1, 3, 1});
  CHECK(greys.values.to_vector<int>() == std::vector<int>({50, 0, 9}));
  const SourceLabel label = label_of(source_of_files({folder.file("greys.png")}, {folder.file("colours.png")}));
  CHECK(label.values == Numbers({2, 0, 1}));
  CHECK(!label.colours);
  CHECK(nth(label.palette, 2) == Colour({255, 0, 255}));
}

TEST_CASE("a volume is turned to RAS, and its label with it, by its own header or by that of the image") {
  const Folder folder;
  const Shape extents{2, 3, 4};
  const auto value = [](std::int64_t i) { return static_cast<int>(i); };
  write_volume(folder.file("image.nii.gz"), extents, value, {-2, 1, 3});
  write_volume(folder.file("same.nii.gz"), extents, value, {-2, 1, 3});
  const SourceImage image = read_source_image(source_of_files({folder.file("image.nii.gz")}));
  CHECK(image.origin.orientation == "LAS");
  CHECK(image.origin.kind == data::Kind::nifti);
  CHECK(image.origin.header.size() == 348);
  REQUIRE(image.image.affine.has_value());
  CHECK(data::orientation_of(*image.image.affine) == "RAS");
  CHECK(image.image.spacing == std::vector<double>({3, 1, 2}));
  CHECK(image.image.values.at(0, 0, 0, 0) == 3);  // x runs backwards in the file
  CHECK(image.image.values.at(1, 2, 3, 0) == 20);
  SourceLabel label = label_of(source_of_files({folder.file("image.nii.gz")}, {folder.file("same.nii.gz")}));
  CHECK(label.values[0] == 3);
  // The same places in another order of storage: x grows to the right, so the first voxel is the image's last.
  Image right = image_of(
      extents, 1, [](std::int64_t i) { return static_cast<int>(i / 4 * 4 + 3 - i % 4); }, data::h5::Element::i16);
  right.affine = data::Affine{{{2, 0, 0, -6}, {0, 1, 0, 0}, {0, 0, 3, 0}}};
  write_image(folder.file("right.nii.gz"), right);
  label = label_of(source_of_files({folder.file("image.nii.gz")}, {folder.file("right.nii.gz")}));
  CHECK(label.values[0] == 3);
  CHECK(label.values[23] == 20);
}

TEST_CASE("files of a case stay together whichever of them say how they lie in space") {
  const Folder folder;
  const auto value = [](std::int64_t i) { return static_cast<int>(i); };
  write_volume(folder.file("las.nii"), {2, 3, 4}, value, {-1, 1, 1});
  write_image(folder.file("none.nii"), image_of({2, 3, 4}, 1, value, data::h5::Element::i16));
  write_image(folder.file("none.tif"), image_of({2, 3, 4}, 1, value, data::h5::Element::i16));
  for (int known = 0; known < 8; ++known)
    for (const char* bare : {"none.nii", "none.tif"}) {
      CAPTURE(known);
      const auto file = [&](int bit) { return folder.file((known >> bit & 1) != 0 ? "las.nii" : bare); };
      const Source source = source_of_files({file(0), file(1)}, {file(2)});
      const SourceImage image = read_source_image(source, "ZYX");
      const SourceLabel label = read_source_label(source, image, "ZYX");
      CHECK(image.origin.orientation == (known == 0 ? "" : "LAS"));
      CHECK(image.image.affine.has_value() == (known != 0));
      for (int i = 0; i < 24; ++i) {
        const int stored = known == 0 ? i : i / 4 * 4 + 3 - i % 4;
        CHECK(image.image.values.data<float>()[2 * i] == static_cast<float>(stored));
        CHECK(image.image.values.data<float>()[2 * i + 1] == static_cast<float>(stored));
        CHECK(nth(label.values, i) == stored);
      }
      const std::string notes = notes_of(image.image.notes) + notes_of(label.notes);
      CHECK(contains(notes, "does not say how it lies in space, so it lies as the other files") ==
            (known != 0 && known != 7));
      CHECK(contains(notes, "has no mask") == (known == 4));  // that of the labels alone
    }
}

TEST_CASE("a file that does not say how it lies is refused beside files of different orders") {
  const Folder folder;
  const auto value = [](std::int64_t i) { return static_cast<int>(i); };
  write_volume(folder.file("las.nii"), {2, 3, 4}, value, {-1, 1, 1});
  Image right = image_of({2, 3, 4}, 1, value, data::h5::Element::i16);
  right.affine = data::Affine{{{1, 0, 0, -3}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  write_image(folder.file("ras.nii"), right);
  write_image(folder.file("none.nii"), image_of({2, 3, 4}, 1, value, data::h5::Element::i16));
  const std::string las = folder.file("las.nii"), ras = folder.file("ras.nii"), none = folder.file("none.nii");
  CHECK(case_refusal(source_of_files({las, ras}, {las})) == "");
  CHECK(contains(case_refusal(source_of_files({las, ras}, {none})), "none.nii: does not say how it lies in space"));
  CHECK(contains(case_refusal(source_of_files({none, ras, las})), "none.nii: does not say how it lies in space"));
}

TEST_CASE("other extents and another place in space are refused, small differences said") {
  const Folder folder;
  write_picture(folder.file("a.png"));
  write_mask(folder.file("small.png"), {0, 1}, {6, 4});
  write_mask(folder.file("turned.png"), {0, 1}, {8, 6});
  const std::string message = case_refusal(source_of_files({folder.file("a.png")}, {folder.file("small.png")}));
  CHECK_MESSAGE(contains(message, "small.png: has the extents [6, 4], but a.png has [6, 8]"), message);
  CHECK(contains(case_refusal(source_of_files({folder.file("a.png")}, {folder.file("turned.png")})), "opposite order"));
  const auto value = [](std::int64_t i) { return static_cast<int>(i % 2); };
  const auto shifted = [&](const std::string& name, double step) {
    write_volume(folder.file(name), {4, 4, 4}, value, {step, 1, 1});
    return folder.file(name);
  };
  const std::string image = shifted("image.nii", 1);
  CHECK(label_of(source_of_files({image}, {shifted("near.nii", 1.00001)})).notes.empty());
  const SourceLabel warned = label_of(source_of_files({image}, {shifted("off.nii", 1.0005)}));
  CHECK_MESSAGE(contains(notes_of(warned.notes), "off.nii and image.nii, 0.0005 of their size apart: "),
                notes_of(warned.notes));
  CHECK(contains(case_refusal(source_of_files({image}, {shifted("far.nii", 1.01)})),
                 "lies elsewhere in space than image.nii"));
}

TEST_CASE("a mask that was drawn over a turned picture is refused with what to do") {
  if (!data::has_tiff()) return;
  const Folder folder;
  write_bytes(folder.file("a.tif"), tiff_bytes({tiff_page(2, 1, 8, "ab").set(274, 3, {6})}));
  write_mask(folder.file("shown.png"), {0, 1}, {2, 1});
  write_mask(folder.file("stored.png"), {0, 1}, {1, 2});
  CHECK(contains(case_refusal(source_of_files({folder.file("a.tif")}, {folder.file("shown.png")})), "-auto-orient"));
  CHECK(case_refusal(source_of_files({folder.file("a.tif")}, {folder.file("stored.png")})).empty());
}

TEST_CASE("the pages of a mask beside a volume are its slices, whatever those of the image are") {
  if (!data::has_tiff()) return;
  const Folder folder;
  std::vector<TiffPage> image, mask;
  for (const char value : {'\0', '\1', '\2', '\3'}) image.push_back(tiff_page(2, 1, 8, std::string(2, value)));
  image[0].describe("ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\n");
  for (const char value : {'\0', '\1'}) mask.push_back(tiff_page(2, 1, 8, {value, '\1'}));
  mask[0].describe("{\"shape\": [2, 1, 2]}");
  write_bytes(folder.file("image.tif"), tiff_bytes(image));
  write_bytes(folder.file("mask.tif"), tiff_bytes(mask));
  CHECK(label_of(source_of_files({folder.file("image.tif")}, {folder.file("mask.tif")})).values ==
        Numbers({0, 1, 1, 1}));
  write_bytes(folder.file("picture.tif"), tiff_bytes({image[1]}));
  CHECK(contains(case_refusal(source_of_files({folder.file("picture.tif")}, {folder.file("mask.tif")})), "2 pages"));
}

TEST_CASE("the mask of one slice must lie where its image does, in the same directions") {
  const Folder folder;
  const auto file = [&](const std::string& name, const std::array<double, 3>& steps, double z = 0) {
    Image image = image_of({1, 4, 4}, 1, [](std::int64_t i) { return static_cast<int>(i % 2); });
    image.affine = data::Affine{
        {{steps[0], 0, 0, steps[0] < 0 ? 3.0 : 0.0}, {0, steps[1], 0, steps[1] < 0 ? 3.0 : 0.0}, {0, 0, steps[2], z}}};
    image.physical = true;
    write_image(folder.file(name), image);
    return folder.file(name);
  };
  const std::string image = file("image.nii", {1, 1, 1});
  const auto refused = [&](const std::string& mask) {
    return contains(case_refusal(source_of_files({image}, {mask})), "mask.nii: lies elsewhere in space than image.nii");
  };
  CHECK(label_of(source_of_files({image}, {image})).values[1] == 1);
  CHECK(!refused(file("mask.nii", {1, 1, -5})));  // the distance of slices that are not there
  CHECK(refused(file("mask.nii", {-1, -1, 1})));
  CHECK(refused(file("mask.nii", {1, 1, 1}, 2)));
  CHECK(contains(case_refusal(source_of_files({image, file("mask.nii", {-1, 1, 1})})), "lies elsewhere in space"));
}

TEST_CASE("channels in files of their own are put together in their order") {
  const Folder folder;
  for (const int c : {0, 1, 2})
    write_volume(folder.file(std::to_string(c) + ".nii"), {2, 2, 2},
                 [c](std::int64_t i) { return static_cast<int>(10 * i + c); });
  const Image image =
      read_source_image(source_of_files({folder.file("0.nii"), folder.file("1.nii"), folder.file("2.nii")})).image;
  CHECK(image.values.shape() == Shape{2, 2, 2, 3});
  for (int i = 0; i < 24; ++i) CHECK(image.values.data<float>()[i] == static_cast<float>(10 * (i / 3) + i % 3));
  write_volume(folder.file("other.nii"), {2, 2, 3}, [](std::int64_t) { return 0; });
  CHECK(contains(case_refusal(source_of_files({folder.file("0.nii"), folder.file("other.nii")})), "has the extents"));
}

TEST_CASE("grey masks in three channels are grey, others have colours") {
  const Folder folder;
  write_picture(folder.file("a.png"), 1, {1, 2});
  write_image(folder.file("grey.png"), image_of({1, 2}, {7, 7, 7, 255, 255, 255}, 3));
  write_image(folder.file("colours.png"), image_of({1, 2}, {0, 0, 0, 1, 2, 3}, 3));
  const SourceLabel grey = label_of(source_of_files({folder.file("a.png")}, {folder.file("grey.png")}));
  CHECK(!grey.colours);
  CHECK(grey.values == Numbers({7, 255}));
  const SourceLabel colours = label_of(source_of_files({folder.file("a.png")}, {folder.file("colours.png")}));
  CHECK(colours.colours);
  CHECK(colours.values == Numbers({0, 0x010203}));
}

TEST_CASE("masks of single objects are numbered; more than two values in one are refused") {
  const Folder folder;
  write_picture(folder.file("a.png"), 1, {1, 4});
  write_image(folder.file("1.png"), image_of({1, 4}, {0, 255, 0, 0}));
  write_image(folder.file("2.png"), image_of({1, 4}, {0, 0, 0, 1}));
  write_image(folder.file("bad.png"), image_of({1, 4}, {0, 3, 0, 4}));
  CHECK(label_of(source_of_files({folder.file("a.png")}, {folder.file("1.png"), folder.file("2.png")})).values ==
        Numbers({0, 1, 0, 2}));
  CHECK(contains(case_refusal(source_of_files({folder.file("a.png")}, {folder.file("1.png"), folder.file("bad.png")})),
                 "several values beside 0"));
}

TEST_CASE("labels that are nearly whole are rounded, others refused with the file") {
  const Folder folder;
  write_volume(folder.file("a.nii"), {2, 2, 2}, [](std::int64_t) { return 1; });
  const auto write_scaled = [&](const std::string& name, float third) {
    Image image = image_of({2, 2, 2}, {0, 0.9999f, third, 1, 1, 0, 0, 1}, 1, data::h5::Element::f32);
    image.affine = data::Affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
    write_image(folder.file(name), image);
    return folder.file(name);
  };
  const SourceLabel label = label_of(source_of_files({folder.file("a.nii")}, {write_scaled("near.nii", 2.0001f)}));
  CHECK(label.values == Numbers({0, 1, 2, 1, 1, 0, 0, 1}));
  CHECK(contains(notes_of(label.notes), "near.nii"));
  CHECK(contains(case_refusal(source_of_files({folder.file("a.nii")}, {write_scaled("far.nii", 1.5f)})), "far.nii"));
}

TEST_CASE("empty and damaged files are Errors that name the file") {
  const Folder folder;
  write_bytes(folder.file("empty.png"), "");
  write_picture(folder.file("a.png"));
  write_bytes(folder.file("cut.png"), bytes_of(folder.file("a.png")).substr(0, 60));
  for (const char* name : {"empty.png", "cut.png"}) {
    CHECK(contains(case_refusal(source_of_files({folder.file(name)})), name));
    CHECK(contains(case_refusal(source_of_files({folder.file("a.png")}, {folder.file(name)})), name));
  }
}

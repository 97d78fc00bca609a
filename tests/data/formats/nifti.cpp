// NIfTI: the values of all types in both orders of bytes, where voxels lie, hostile headers, and the header that comes
// back byte for byte.
#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;
using h5::Element;

namespace {

using Values = std::vector<float>;

bool nifti_present() {
  if (has_nifti()) return true;
  CHECK(contains(refusal("a.nii", NiftiBytes(1, {2, 1, 1}, 2, "a").str()), "libnifti-dev"));
  MESSAGE("skipped: this build has no NIfTI");
  return false;
}

template <class T>
std::string voxels(const std::vector<T>& numbers, bool big = false) {
  std::string bytes;
  for (const T number : numbers) append(bytes, number, big);
  return bytes;
}
std::string counted(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(i);
  return bytes;
}
// A volume of 2 x 3 x 4 voxels.
NiftiBytes volume(int version = 1) { return NiftiBytes(version, {3, 2, 3, 4}, 2, counted(24)); }
Image read(const NiftiBytes& file) { return read_as("a.nii", file.str()); }
std::string refused(const NiftiBytes& file) { return refusal("a.nii", file.str()); }

const std::vector<double> kRows{-2, 0, 0, 30, 0, 3, 0, -40, 0, 0, 4, 50};

}  // namespace

TEST_CASE("voxels of all types, in both versions and orders of bytes, compressed or not") {
  if (!nifti_present()) return;
  for (const int version : {1, 2})
    for (const bool big : {false, true})
      for (const bool packed : {false, true}) {
        const auto read_type = [&](int type, const std::string& bytes) {
          const std::string file = NiftiBytes(version, {2, 2, 1}, type, bytes, big).str();
          return read_as("a.nii", packed ? gzipped(file) : file);
        };
        CHECK(values(read_type(2, "\x01\xFF")) == Values{1, 255});
        CHECK(values(read_type(256, "\x01\xFF")) == Values{1, -1});
        CHECK(values(read_type(4, voxels<std::int16_t>({1, -2}, big))) == Values{1, -2});
        CHECK(values(read_type(512, voxels<std::uint16_t>({1, 65535}, big))) == Values{1, 65535});
        CHECK(values(read_type(8, voxels<std::int32_t>({1, -70000}, big))) == Values{1, -70000});
        CHECK(values(read_type(768, voxels<std::uint32_t>({1, 4000000000}, big))) == Values{1, 4e9F});
        CHECK(values(read_type(1024, voxels<std::int64_t>({1, -70000}, big))) == Values{1, -70000});
        CHECK(values(read_type(1280, voxels<std::uint64_t>({1, 70000}, big))) == Values{1, 70000});
        CHECK(values(read_type(16, voxels<float>({0.5F, -2}, big))) == Values{0.5F, -2});
        const Image real = read_type(64, voxels<double>({0.25, -2}, big));
        CHECK(values(real) == Values{0.25F, -2});
        CHECK(real.element == Element::f64);
      }
  CHECK(contains(refusal("a.nii", NiftiBytes(1, {2, 2, 1}, 1024, voxels<std::int64_t>({1, 16777217})).str()),
                 "16777217"));
  CHECK(contains(refused(NiftiBytes(1, {2, 2, 1}, 32, counted(16))), "COMPLEX64"));
  CHECK(contains(refused(NiftiBytes(1, {2, 2, 1}, 1, counted(16))), "(1)"));
  CHECK(contains(refused(NiftiBytes(1, {2, 2, 1}, 77, counted(16))), "(77)"));
}

TEST_CASE("arrays are z, y, x, and what is left of the axes is channels") {
  if (!nifti_present()) return;
  const Image image = read(volume());
  REQUIRE(image.values.shape() == Shape{4, 3, 2, 1});
  CHECK(image.values.at(3, 1, 1, 0) == 21);  // x + 2 y + 6 z
  CHECK(image.header.size() == 348);
  CHECK(read(volume(2)).header.size() == 540);
  const auto shape = [](const std::vector<double>& dim, int count) {
    return read(NiftiBytes(1, dim, 2, counted(count))).values.shape();
  };
  CHECK(shape({2, 2, 3}, 6) == Shape{3, 2, 1});
  CHECK(shape({3, 2, 3, 1}, 6) == Shape{3, 2, 1});
  CHECK(shape({4, 2, 3, 4, 1}, 24) == Shape{4, 3, 2, 1});
  CHECK(shape({7, 2, 3, 4, 1, 1, 1, 1}, 24) == Shape{4, 3, 2, 1});
  CHECK(shape({5, 2, 3, 4, 1, 2}, 48) == Shape{4, 3, 2, 2});
  const Image channels = read(NiftiBytes(1, {4, 1, 2, 2, 3}, 2, counted(12)));
  CHECK(values(channels) == Values{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11});
  CHECK(noted(channels, "3 volumes"));
  CHECK(values(read(NiftiBytes(1, {3, 1, 1, 2}, 128, "abcdef"))) == Values{97, 98, 99, 100, 101, 102});
  CHECK(read(NiftiBytes(1, {3, 1, 1, 2}, 2304, "abcdefgh")).values.shape() == Shape{2, 1, 1, 4});
  CHECK(contains(refused(NiftiBytes(1, {5, 1, 1, 2, 2, 2}, 2, counted(16))), "1 x 1 x 2 x 2 x 2"));
  CHECK(contains(refused(NiftiBytes(1, {6, 1, 1, 2, 1, 1, 2}, 2, counted(16))), "no meaning"));
  CHECK(contains(refused(NiftiBytes(1, {1, 2}, 2, counted(2))), "one axis"));
}

TEST_CASE("slope and intercept are applied; a slope that is 0 or no number is none") {
  if (!nifti_present()) return;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto scaled = [&](double slope, double intercept) {
    return values(
        read(NiftiBytes(2, {2, 2, 1}, 2, "\x01\x03").set("scl_slope", {slope}).set("scl_inter", {intercept})));
  };
  CHECK(scaled(0.5, 10) == Values{10.5F, 11.5F});
  CHECK(scaled(0, 10) == Values{1, 3});
  CHECK(scaled(nan, nan) == Values{1, 3});
  CHECK(scaled(1, -1) == Values{0, 2});
  const auto file = [](double slope, double intercept) {
    return NiftiBytes(1, {2, 2, 1}, 2, "\x01\x03").set("scl_slope", {slope}).set("scl_inter", {intercept});
  };
  CHECK(noted(read(file(nan, 10)), "scl_slope is nan"));
  CHECK(noted(read(file(HUGE_VAL, 10)), "scl_slope is inf"));
  CHECK(read(file(0, nan)).notes.empty());
  for (const double slope : {1.0, 2.0})  // nibabel: "Valid slope but invalid intercept"
    for (const double bad : {nan, HUGE_VAL, -HUGE_VAL})
      CHECK(contains(refused(file(slope, bad)), text("a.nii: scl_inter is ", bad, " beside the scl_slope ", slope)));
  CHECK(contains(refused(file(1, 3e38)), "scl_inter 3e+38"));  // 1 and 3 would become equal
  CHECK(values(read(NiftiBytes(1, {2, 2, 1}, 2, "\x03\x03").set("scl_slope", {1}).set("scl_inter", {3e38})))[0] >
        2e38F);
}

TEST_CASE("the place of voxels: sform before qform before pixdim") {
  if (!nifti_present()) return;
  const Image none = read(volume().set("pixdim", {1, 0.5, 0.75, 2}));
  CHECK(!none.affine);
  CHECK(none.physical);
  CHECK(none.spacing == std::vector<double>{2, 0.75, 0.5});
  CHECK(none.notes.empty());

  const Image sform = read(volume().set("sform_code", {1}).set("srow", kRows).set("pixdim", {1, 2, 3, 4}));
  REQUIRE(sform.affine);
  CHECK(*sform.affine == Affine{{{-2, 0, 0, 30}, {0, 3, 0, -40}, {0, 0, 4, 50}}});
  CHECK(sform.spacing == std::vector<double>{4, 3, 2});
  CHECK(sform.notes.empty());

  // A turn by 180 degrees about z: the quaternion 0, 0, 0, 1. The sign of pixdim[0] mirrors z.
  NiftiBytes turned = volume();
  turned.set("qform_code", {1}).set("quatern", {0, 0, 1}).set("qoffset", {5, 6, 7}).set("pixdim", {-1, 2, 3, 4});
  const Image qform = read(turned);
  REQUIRE(qform.affine);
  CHECK(orientation_of(*qform.affine) == "LPI");
  CHECK((*qform.affine)[2][3] == 7);
  CHECK(qform.notes.empty());

  const Image both = read(turned.set("sform_code", {2}).set("srow", kRows));
  CHECK(orientation_of(*both.affine) == "LAS");
  CHECK(noted(both, "two different affines"));
  const Image other = read(volume().set("sform_code", {1}).set("srow", kRows).set("pixdim", {1, 2, 3, 4.1}));
  CHECK(noted(other, "4 mm by the affine and 4.1 mm by pixdim: The spacing along z is that of the affine."));
  CHECK(other.spacing[0] == 4);
  CHECK(!read(volume().set("pixdim", {1, 0, 0, 0})).physical);
  CHECK(contains(refused(volume().set("pixdim", {1, 1e12, 1e12, 1e12})), "spacing must be 3 positive numbers"));
  CHECK(contains(refused(volume().set("pixdim", {1, 1e-30, 1, 1})), "spacing must be 3 positive numbers"));
  std::vector<double> tiny = kRows;
  for (double& step : tiny) step *= 1e-20;
  CHECK(contains(refused(volume().set("sform_code", {1}).set("srow", tiny)), "spacing must be 3 positive numbers"));
}

TEST_CASE("units, oblique axes, pictures") {
  if (!nifti_present()) return;
  const Image micron = read(volume().set("xyzt_units", {3}).set("pixdim", {1, 500, 500, 2000}));
  CHECK(std::abs(micron.spacing[0] - 2) < 1e-9);
  CHECK(noted(micron, "micrometres"));
  NiftiBytes metre = volume();
  metre.set("xyzt_units", {1}).set("sform_code", {1}).set("srow", {0.002, 0, 0, 1, 0, 0.003, 0, 0, 0, 0, 0.004, 0});
  const Image far = read(metre.set("pixdim", {1, 0.002, 0.003, 0.004}));
  CHECK(std::abs((*far.affine)[0][3] - 1000) < 1e-6);
  CHECK(std::abs(far.spacing[2] - 2) < 1e-6);
  std::vector<double> sheared = kRows;
  sheared[1] = 0.3;
  const Image oblique = read(volume().set("sform_code", {1}).set("srow", sheared));
  CHECK(noted(oblique, " degrees off right angles: Its spacing is"));
  CHECK(std::abs(oblique.spacing[1] - std::hypot(3, 0.3)) < 1e-6);
  const Image picture = read(
      NiftiBytes(1, {3, 2, 3, 1}, 2, counted(6)).set("sform_code", {1}).set("srow", kRows).set("pixdim", {1, 2, 3, 4}));
  CHECK(!picture.affine);
  CHECK(picture.physical);
  CHECK(picture.spacing == std::vector<double>{3, 2});
  CHECK(!picture.header.empty());
}

TEST_CASE("an affine that places nothing is refused") {
  if (!nifti_present()) return;
  for (const std::vector<double>& rows : {std::vector<double>(12, 0.0), {1, 2, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0}}) {
    CHECK(contains(refused(volume().set("sform_code", {1}).set("srow", rows)), "singular"));
  }
  std::vector<double> rows = kRows;
  rows[3] = std::numeric_limits<double>::infinity();
  CHECK(contains(refused(volume().set("sform_code", {1}).set("srow", rows)), "not finite"));
}

TEST_CASE("hostile headers are refused before memory is asked for") {
  if (!nifti_present()) return;
  for (const int version : {1, 2}) {
    for (const double axes : {0.0, 8.0, -1.0, 200.0, -30000.0})
      CHECK(contains(refused(volume(version).set("dim", {axes})), "axes"));
    CHECK(contains(refused(volume(version).set("dim", {3, 2, 0, 4})), "extent 2"));
    CHECK(contains(refused(volume(version).set("dim", {3, 2, -3, 4})), "extent 2"));
    CHECK(
        contains(refused(volume(version).set("dim", {3, 32767, 32767, 10})), "more than the file can hold"));  // 10 GB
    CHECK(contains(refused(volume(version).set("vox_offset", {-1})), "vox_offset"));
    CHECK(contains(refused(volume(version).set("vox_offset", {0})), "vox_offset"));
    CHECK(contains(refused(volume(version).set("vox_offset", {1e9})), "vox_offset"));
    CHECK(contains(refused(volume(version).magic("xyz")), "magic"));
    CHECK(contains(refused(volume(version).magic("ni" + std::to_string(version))), ".img"));
    CHECK(every_beginning_is_refused("a.nii", volume(version).str()));
  }
  for (const double axes : {100000.0, -1000000.0}) CHECK(contains(refused(volume(2).set("dim", {axes})), "axes"));
  const double huge = 4e18;
  CHECK(contains(refused(volume(2).set("dim", {3, huge, huge, huge})), "more than the file can hold"));
  CHECK(contains(refused(volume(1).set("vox_offset", {std::nan("")})), "vox_offset"));
  CHECK(contains(refusal("a.nii.gz", gzipped("hello, this is text")), "without NIfTI"));
  CHECK(contains(refusal("a.nii.gz", gzipped(volume().set("dim", {3, 2000, 2000, 2000}).str())), "more than"));
}

TEST_CASE("damage in a compressed file is found, in its last checksum too") {
  if (!nifti_present()) return;
  const std::string good = gzipped(volume().str());
  CHECK(every_beginning_is_refused("a.nii.gz", good));
  std::string bad = good;
  bad[bad.size() - 6] = static_cast<char>(bad[bad.size() - 6] ^ 1);
  CHECK(contains(refusal("a.nii.gz", bad), "damaged"));
}

TEST_CASE("a source's geometry comes back byte for byte, and nothing else of its header") {
  if (!nifti_present()) return;
  const Folder folder;
  for (const int version : {1, 2})
    for (const bool big : {false, true}) {
      NiftiBytes source(version, {4, 2, 3, 4, 2}, 16, voxels<float>(std::vector<float>(48, 1), big), big);
      source.set("qform_code", {2}).set("quatern", {0.1, 0.2, 0.3}).set("qoffset", {5, 6, 7}).set("sform_code", {3});
      source.set("srow", kRows).set("pixdim", {-1, 2, 3, 4}).set("xyzt_units", {10}).set("scl_slope", {7});
      Image image = ramp({4, 3, 2, 1}, Element::u8);
      image.header = read(source).header;
      for (const char* name : {"a.nii", "a.nii.gz"}) {
        write_image(folder.file(name), image);
        const Image back = read_image(folder.file(name));
        CHECK(values(back) == values(image));
        CHECK(back.element == Element::u8);
        // The same header, made here with the fields that should be there.
        NiftiBytes expected(version, {3, 2, 3, 4}, 2, "", big);
        expected.set("qform_code", {2})
            .set("quatern", {0.1, 0.2, 0.3})
            .set("qoffset", {5, 6, 7})
            .set("sform_code", {3});
        expected.set("srow", kRows).set("pixdim", {-1, 2, 3, 4}).set("xyzt_units", {10}).set("scl_slope", {1});
        std::string bytes = expected.str().substr(0, back.header.size());
        bytes[version == 1 ? 72 : 14] = back.header[version == 1 ? 72 : 14];  // bitpix
        bytes[version == 1 ? 73 : 15] = back.header[version == 1 ? 73 : 15];
        if (version == 1) bytes[38] = back.header[38];  // regular
        CHECK(back.header == bytes);
      }
      // A slice of a volume, and a header that is not of this volume or is none.
      image.values = ramp({3, 2, 1}, Element::u8).values;
      image.spacing = {1, 1};
      CHECK(contains(error_of([&] { write_image(folder.file("b.nii"), image); }), "the header of the source has 4"));
      image.header.resize(100);
      CHECK(contains(error_of([&] { write_image(folder.file("b.nii"), image); }), "none of NIfTI"));
      CHECK(!std::filesystem::exists(folder.file("b.nii")));
    }
}

TEST_CASE("without a header the affine or the spacing is written") {
  if (!nifti_present()) return;
  const Folder folder;
  const std::string path = folder.file("a.nii.gz");
  for (const Element element : {Element::u8, Element::u16, Element::i16, Element::f32})
    for (const std::int64_t channels : {1, 3}) {
      Image image = ramp({4, 3, 2, channels}, element);
      image.physical = true;
      image.spacing = {4, 3, 2};
      image.affine = Affine{{{-2, 0, 0, 30}, {0, 3, 0, -40}, {0, 0, 4, 50}}};
      write_image(path, image);
      const Image back = read_image(path);
      CHECK(back.values.shape() == image.values.shape());
      CHECK(values(back) == values(image));
      CHECK(back.element == element);
      CHECK(back.affine == image.affine);
      CHECK(back.spacing == image.spacing);
      image.affine.reset();
      write_image(path, image);
      CHECK(!read_image(path).affine);
      CHECK(read_image(path).spacing == image.spacing);
    }
  Image picture = ramp({3, 2, 1}, Element::u8);
  picture.spacing = {0.5, 0.25};
  write_image(path, picture);
  CHECK(read_image(path).values.shape() == Shape{3, 2, 1});
  CHECK(read_image(path).spacing == picture.spacing);
  // An extent that 16 bits do not hold: version 2.
  const Image wide = ramp({1, 40000, 1}, Element::f32);
  write_image(path, wide);
  CHECK(read_image(path).header.size() == 540);
  CHECK(values(read_image(path)) == values(wide));
  CHECK(contains(error_of([&] { write_image(path, ramp({2, 2, 1}, Element::i32)); }), "i32"));
  CHECK(contains(error_of([&] { write_image(path, ramp({2, 2, 1}, Element::u8, 200)); }), "400"));
}

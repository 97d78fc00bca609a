// Kinds of files by name and by first bytes, labels in them, and paths that are no files.
#include <limits>

#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

TEST_CASE("the ending of a name says its kind, in any case of letters") {
  CHECK(kind_of_name("a/b.PNG") == Kind::png);
  CHECK(kind_of_name("b.JpEg") == Kind::jpeg);
  CHECK(kind_of_name("b.jpg") == Kind::jpeg);
  CHECK(kind_of_name("b.bmp") == Kind::bmp);
  CHECK(kind_of_name("b.GIF") == Kind::gif);
  CHECK(kind_of_name("b.tif") == Kind::tiff);
  CHECK(kind_of_name("b.ome.TIFF") == Kind::tiff);
  CHECK(kind_of_name("b.nii") == Kind::nifti);
  CHECK(kind_of_name("b.nii.GZ") == Kind::nifti);
  CHECK(kind_of_name("b.hdf5") == Kind::hdf5);
  for (const char* none : {"b.gz", "b", "png", ".png", "b.png/c", "b.png.bak"}) CHECK(!kind_of_name(none));
}

TEST_CASE("a stem is the name without folder and ending") {
  CHECK(stem_of("a/scan.nii.gz") == "scan");
  CHECK(stem_of("a/scan.ome.TIF") == "scan");
  CHECK(stem_of("scan.ome.tiff") == "scan");
  CHECK(stem_of("a.b/scan.01.PNG") == "scan.01");
  CHECK(stem_of("scan.txt") == "scan.txt");
  CHECK(stem_of("scan") == "scan");
}

TEST_CASE("the kind of a file is that of its first bytes, not of its name") {
  const Folder folder;
  const std::string path = folder.file("a.jpg");
  const auto kind = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return kind_of_file(path);
  };
  CHECK(kind(PngBytes{1, 1, 8, 0, {"a"}}.str()) == Kind::png);
  CHECK(kind(progressive_jpeg()) == Kind::jpeg);
  CHECK(kind(BmpBytes{1, 1, 24, {"abc"}}.str()) == Kind::bmp);
  CHECK(kind(GifBytes{1, 1, "a", "abcdef", 8}.str()) == Kind::gif);
  CHECK(kind(tiff_bytes({tiff_page(1, 1, 8, "a")})) == Kind::tiff);
  CHECK(kind(tiff_bytes({tiff_page(1, 1, 8, "a")}, true, true)) == Kind::tiff);
  CHECK(kind(NiftiBytes(1, {2, 1, 1}, 2, "a").str()) == Kind::nifti);
  CHECK(kind(gzipped(NiftiBytes(2, {2, 1, 1}, 2, "a", true).str())) == Kind::nifti);
  CHECK(kind("\x89HDF\r\n\x1a\n") == Kind::hdf5);
  CHECK(kind(std::string(512, ' ') + "\x89HDF\r\n\x1a\n") == Kind::hdf5);  // behind a block of the user: MATLAB
}

TEST_CASE("kinds that are not read are named, with what to do") {
  const std::string dicom = std::string(128, '\0') + "DICM";
  const std::pair<std::string, const char*> cases[] = {{dicom, "dcm2niix"},    {"ObjectType = Image\n", "MetaImage"},
                                                       {"NRRD0005\n", "NRRD"}, {"\x93NUMPY\x01", "NumPy"},
                                                       {"PK\x03\x04", "zip"},  {"RIFF1234WEBP", "WebP"},
                                                       {"hello", "known kind"}};
  for (const auto& [bytes, word] : cases) CHECK(contains(refusal("a.bin", bytes), word));
  CHECK(contains(refusal("a.png", "hello"), "is no PNG file"));
  CHECK(contains(refusal("a.png", ""), "empty (0 bytes)"));
  CHECK(contains(refusal("a.h5", "\x89HDF\r\n\x1a\n"), "HDF5"));
}

TEST_CASE("a path that is no file is an error of reading that says why") {
  const Folder folder;
  const auto kind = [](const std::string& path) {
    try {
      read_image(path);
    } catch (const Error& error) {
      return std::pair{error.kind(), error.message()};
    }
    return std::pair{ErrorKind::check, std::string()};
  };
  CHECK(kind(folder.file("")).first == ErrorKind::io);
  CHECK(contains(kind(folder.file("")).second, "folder"));
  CHECK(kind(folder.file("missing.png")).first == ErrorKind::io);
  CHECK(kind("/dev/null").first == ErrorKind::io);
  // Whether a dot ends in a file's name or in a folder's.
  CHECK(contains(error_of([&] {
                   write_image(folder.file("none/a.png"), ramp({1, 1, 1}, h5::Element::u8));
                 }),
                 "folder"));
  CHECK(contains(error_of([&] { write_image(folder.file("a.xyz"), ramp({1, 1, 1}, h5::Element::u8)); }), ".nii"));
  CHECK(contains(error_of([&] { write_image(folder.file("a.h5"), ramp({1, 1, 1}, h5::Element::u8)); }), ".png"));
  CHECK(contains(error_of([&] { write_image(folder.file("a.png"), Image{}); }), "write_image"));
}

TEST_CASE("a picture of more than 2 GiB is refused before it is read") {
  const Folder folder;
  const std::string path = folder.file("a.png");
  write_bytes(path, PngBytes{1, 1, 8, 0, {"a"}}.str());
  std::filesystem::resize_file(path, std::uintmax_t{3} << 30);  // a hole: it takes no room
  CHECK(contains(error_of([&] { read_image(path); }), "3221225472 bytes"));
}

TEST_CASE("names may have blanks and any letters") {
  const Folder folder;
  std::vector<std::string> names{"ein Bild äöü 図.png"};
  if (has_tiff()) names.push_back("ein Bild äöü 図.tif");
  if (has_nifti()) names.push_back("ein Bild äöü 図.nii.gz");
  for (const std::string& name : names) {
    const Image image = ramp({2, 3, 1}, h5::Element::u8);
    write_image(folder.file(name), image);
    CHECK(values(read_image(folder.file(name))) == values(image));
    CHECK(stem_of(folder.file(name)) == "ein Bild äöü 図");
  }
}

TEST_CASE("labels that scaling moved are rounded, and images are no labels") {
  Image image = ramp({1, 4, 1}, h5::Element::f32);
  round_labels(image, "a");
  CHECK(values(image) == std::vector<float>{0, 1, 2, 3});
  CHECK(image.notes.empty());
  image.values = from_vector<float>({1, 4, 1}, {0.0F, 0.9882F, 2.0235F, 2.9999999F});
  round_labels(image, "a");
  CHECK(values(image) == std::vector<float>{0, 1, 2, 3});
  CHECK(noted(image, " of 4 labels: Values less than 0.05 away from a whole number were rounded."));
  image.values = from_vector<float>({1, 4, 1}, {0, 1, 1.5F, 2.3F});
  const std::string error = error_of([&] { round_labels(image, "dir/a.nii"); });
  CHECK(contains(error, "dir/a.nii"));
  CHECK(contains(error, "2 of 4"));
  CHECK(contains(error, "1.5"));
  image.values = from_vector<float>({1, 2, 1}, {0, std::numeric_limits<float>::quiet_NaN()});
  CHECK(!error_of([&] { round_labels(image, "a"); }).empty());
  image.values = from_vector<std::uint8_t>({1, 2, 1}, {0, 7});
  round_labels(image, "a");
  CHECK(image.values.dtype() == DType::u8);
}

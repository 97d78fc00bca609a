// JPEG: what is read, what a photograph says about its direction, and what is refused.
#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

// A segment behind the first marker.
std::string with_segment(const std::string& jpeg, char marker, const std::string& content) {
  std::string segment = std::string("\xFF") + marker;
  append(segment, static_cast<std::uint16_t>(content.size() + 2), true);
  return jpeg.substr(0, 2) + segment + content + jpeg.substr(2);
}
// The place of the header of the frame, a progressive one.
std::size_t frame(const std::string& jpeg) { return jpeg.find("\xFF\xC2"); }

}  // namespace

TEST_CASE("a progressive grey JPEG is read with one channel") {
  const Image image = read_as("a.jpg", progressive_jpeg());
  REQUIRE(image.values.shape() == Shape{9, 11, 1});
  for (std::int64_t y = 0; y < 9; ++y)
    for (std::int64_t x = 0; x < 11; ++x)
      CHECK(std::abs(image.values.at(y, x, 0) - static_cast<double>(20 * x + 5 * y)) < 16);
  CHECK(image.element == h5::Element::u8);
  CHECK(image.notes.empty());
}

TEST_CASE("pixels are read as they are stored, and a note says if the camera was turned") {
  const std::string jpeg = progressive_jpeg();
  for (const bool big : {false, true}) {
    std::string exif("Exif\0\0", 6);
    exif += big ? "MM" : "II";
    append(exif, std::uint16_t{42}, big);
    append(exif, std::uint32_t{8}, big);
    append(exif, std::uint16_t{1}, big);
    append(exif, std::uint16_t{0x112}, big);
    append(exif, std::uint16_t{3}, big);
    append(exif, std::uint32_t{1}, big);
    append(exif, std::uint16_t{6}, big);
    append(exif, std::uint16_t{0}, big);
    const Image turned = read_as("a.jpg", with_segment(jpeg, '\xE1', exif));
    CHECK(noted(turned, "orientation 6"));
    CHECK(turned.turned);
    CHECK(values(turned) == values(read_as("a.jpg", jpeg)));
    for (std::size_t size = 0; size < exif.size(); ++size)  // cut off inside
      CHECK(read_as("a.jpg", with_segment(jpeg, '\xE1', exif.substr(0, size))).values.defined());
  }
}

TEST_CASE("JPEG files that are cut off or cannot be read exactly are refused") {
  const std::string jpeg = progressive_jpeg();
  CHECK(every_beginning_is_refused("a.jpg", jpeg));
  CHECK(contains(refusal("a.jpg", jpeg.substr(0, jpeg.size() - 2)), "cut off"));
  const std::size_t at = frame(jpeg);
  REQUIRE(at != std::string::npos);
  std::string cmyk = jpeg, deep = jpeg, lossless = jpeg, large = jpeg, none = jpeg;
  cmyk[at + 9] = 4;
  CHECK(contains(refusal("a.jpg", cmyk), "CMYK"));
  deep[at + 4] = 12;
  CHECK(contains(refusal("a.jpg", deep), "12 bits"));
  lossless[at + 1] = '\xC3';
  CHECK(contains(refusal("a.jpg", lossless), "PNG"));
  large.replace(at + 5, 4, "\xFF\xDC\xFF\xDC");
  CHECK(contains(refusal("a.jpg", large), "more than its"));
  // A table with more codes than there are: stb 2.27 writes behind its end.
  std::string codes(1, '\0');
  codes += std::string(16, '\x14') + std::string(320, 'a');
  CHECK(contains(refusal("a.jpg", with_segment(jpeg, '\xC4', codes)), "320 codes"));
  CHECK(contains(refusal("a.jpg", with_segment(jpeg, '\xC4', codes.substr(0, 9))), "codes"));
  none.replace(at + 5, 4, std::string(4, '\0'));
  CHECK(contains(refusal("a.jpg", none), "no meaning"));
}

TEST_CASE("every table that a JPEG uses is in it: what is missing would be filled from memory") {
  const std::string jpeg = progressive_jpeg();
  const auto without = [&](const char* marker, std::size_t which = 0) {  // that segment
    std::size_t at = jpeg.find(marker);
    for (; which > 0; --which) at = jpeg.find(marker, at + 1);
    REQUIRE(at != std::string::npos);
    const std::size_t length = static_cast<std::uint8_t>(jpeg[at + 2]) * 256U + static_cast<std::uint8_t>(jpeg[at + 3]);
    return jpeg.substr(0, at) + jpeg.substr(at + 2 + length);
  };
  CHECK(contains(refusal("a.jpg", without("\xFF\xDB")), "table 0 of quantisation"));
  CHECK(contains(refusal("a.jpg", without("\xFF\xC4")), "table 0 of DC codes"));
  CHECK(contains(refusal("a.jpg", without("\xFF\xC4", 1)), "table 0 of AC codes"));
  CHECK(contains(refusal("a.jpg", without("\xFF\xC2")), "which the image has not"));
  std::string renamed = jpeg, two = jpeg;
  renamed[frame(jpeg) + 10] = 9;
  CHECK(contains(refusal("a.jpg", renamed), "which the image has not"));
  const std::size_t at = frame(jpeg);
  two[at + 9] = 3;
  two[at + 3] = 17;
  two.insert(at + 13, std::string("\2\x11\0\3\x11\0", 6));
  CHECK(contains(refusal("a.jpg", two), "no samples of the component 2"));
}

TEST_CASE("a JPEG with hundreds of scans is refused, because each goes over all of its pixels") {
  const std::string jpeg = progressive_jpeg(), end("\xFF\xD9");
  const std::size_t last = jpeg.rfind("\xFF\xDA");
  REQUIRE(last != std::string::npos);
  REQUIRE(jpeg.ends_with(end));
  const std::string scan = jpeg.substr(last, jpeg.size() - last - end.size());
  std::string many = jpeg.substr(0, jpeg.size() - end.size());
  for (int i = 0; i < 200; ++i) many += scan;
  CHECK(contains(refusal("a.jpg", many + end), "more than 100 scans"));
}

TEST_CASE("nothing is written as JPEG") {
  const Folder folder;
  CHECK(contains(error_of([&] { write_image(folder.file("a.JPG"), ramp({2, 2, 1}, h5::Element::u8)); }), "PNG"));
  CHECK(!std::filesystem::exists(folder.file("a.JPG")));
}

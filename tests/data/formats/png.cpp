// PNG: the values that every kind of pixel has, what a damaged file says, and what is written.
#include "data/formats/png.h"

#include <zlib.h>

#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;
using h5::Element;

namespace {

using Values = std::vector<float>;
const std::string kPalette = png_chunk("PLTE", std::string("\x0A\x14\x1E\x28\x32\x3C\xC8\xD2\xDC", 9));

}  // namespace

TEST_CASE("grey values of few bits are spread over 0 .. 255, and 16 bits are read as they are") {
  // The samples of a row, packed from the highest bit on.
  CHECK(values(read_as("a.png", PngBytes{3, 1, 1, 0, {"\xA0"}}.str())) == Values{255, 0, 255});
  CHECK(values(read_as("a.png", PngBytes{3, 1, 2, 0, {"\x6C"}}.str())) == Values{85, 170, 255});
  CHECK(values(read_as("a.png", PngBytes{3, 1, 4, 0, {"\x1F\x20"}}.str())) == Values{17, 255, 34});
  CHECK(values(read_as("a.png", PngBytes{3, 1, 8, 0, {"\x01\x02\xFF"}}.str())) == Values{1, 2, 255});
  const Image deep = read_as("a.png", PngBytes{2, 1, 16, 0, {"\x01\x02\xFF\xFE"}}.str());
  CHECK(values(deep) == Values{258, 65534});
  CHECK(deep.element == Element::u16);
}

TEST_CASE("channels are those of the file, in its order of rows") {
  const Image rgb = read_as("a.png", PngBytes{2, 2, 8, 2, {"abcdef", "ghijkl"}}.str());
  CHECK(rgb.values.shape() == Shape{2, 2, 3});
  CHECK(rgb.values.at(1, 0, 2) == 'i');
  CHECK(!rgb.physical);
  CHECK(rgb.spacing == std::vector<double>{1, 1});
  CHECK(read_as("a.png", PngBytes{2, 1, 8, 4, {"abcd"}}.str()).values.shape() == Shape{1, 2, 2});
  CHECK(read_as("a.png", PngBytes{1, 1, 8, 6, {"abcd"}}.str()).values.shape() == Shape{1, 1, 4});
  const Image deep = read_as("a.png", PngBytes{1, 1, 16, 2, {std::string("\1\0\2\0\3\1", 6)}}.str());
  CHECK(values(deep) == Values{256, 512, 769});
}

TEST_CASE("a palette image has its indices as values, whatever its bits, and its palette") {
  for (const auto& [bits, row] : {std::pair{2, "\x18"}, {4, "\x01\x20"}}) {
    PngBytes png{3, 1, bits, 3, {row}};
    png.before = kPalette;
    const Image image = read_as("a.png", png.str());
    CHECK(values(image) == Values{0, 1, 2});
    REQUIRE(image.palette.size() == 3);
    CHECK(image.palette[2] == Colour{200, 210, 220});
  }
  PngBytes byte{3, 1, 8, 3, {std::string("\2\1\0", 3)}};
  byte.before = kPalette + png_chunk("tRNS", "\x01\x02");
  CHECK(values(read_as("a.png", byte.str())) == Values{2, 1, 0});
  PngBytes bit{3, 1, 1, 3, {"\xA0"}};
  bit.before = kPalette;
  CHECK(values(read_as("a.png", bit.str())) == Values{1, 0, 1});
  // A value without a colour stays a value: it may be the label "unknown".
  byte.rows = {"\1\xFF\1"};
  const Image beyond = read_as("a.png", byte.str());
  CHECK(values(beyond) == Values{1, 255, 1});
  CHECK(beyond.palette.size() == 256);
  CHECK(noted(beyond, "3 colours"));
}

TEST_CASE("transparency does not add channels, and an animation is its first picture") {
  PngBytes grey{2, 1, 8, 0, {"ab"}};
  grey.before = png_chunk("tRNS", std::string("\0a", 2)) + png_chunk("tEXt", "a\0b");
  CHECK(values(read_as("a.png", grey.str())) == Values{'a', 'b'});
  PngBytes rgb{1, 1, 8, 2, {"abc"}};
  rgb.before = png_chunk("PLTE", "abc") + png_chunk("tRNS", std::string("\0a\0b\0c", 6));
  CHECK(values(read_as("a.png", rgb.str())) == Values{'a', 'b', 'c'});
  grey.before = png_chunk("acTL", std::string("\0\0\0\2\0\0\0\0", 8));
  CHECK(noted(read_as("a.png", grey.str()), "animation"));
}

TEST_CASE("interlaced pictures have their pixels in the right places") {
  // The seven passes of Adam7 over 5 x 3 pixels with the values 0 .. 14.
  constexpr int kFirst[7][2] = {{0, 0}, {4, 0}, {0, 4}, {2, 0}, {0, 2}, {1, 0}, {0, 1}};
  constexpr int kStep[7][2] = {{8, 8}, {8, 8}, {4, 8}, {4, 4}, {2, 4}, {2, 2}, {1, 2}};
  std::string raw;
  for (int pass = 0; pass < 7; ++pass)
    for (int y = kFirst[pass][1]; y < 3 && kFirst[pass][0] < 5; y += kStep[pass][1]) {
      raw += '\0';
      for (int x = kFirst[pass][0]; x < 5; x += kStep[pass][0]) raw += static_cast<char>(5 * y + x);
    }
  const std::string header("\0\0\0\5\0\0\0\3\x08\0\0\0\1", 13);
  const Image image = read_as("a.png", "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) +
                                           png_chunk("IDAT", deflated(raw)) + png_chunk("IEND", ""));
  for (int i = 0; i < 15; ++i) CHECK(values(image)[static_cast<std::size_t>(i)] == static_cast<float>(i));
}

TEST_CASE("damaged PNG files are refused with the reason") {
  const std::string good = PngBytes{2, 2, 8, 2, {"abcdef", "ghijkl"}}.str();
  REQUIRE(refusal("a.png", good).empty());
  CHECK(every_beginning_is_refused("a.png", good));
  for (std::size_t at = 8; at < good.size(); ++at) {  // one bit anywhere
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    CHECK(!refusal("a.png", bad).empty());
  }
  std::string crc = good;
  crc[29] = static_cast<char>(crc[29] + 1);
  CHECK(contains(refusal("a.png", crc), "chunk IHDR at byte 8 has a wrong checksum"));
  CHECK(contains(refusal("a.png", good.substr(0, 40)), "cut off"));
  CHECK(contains(refusal("a.png", PngBytes{60000, 60000, 8, 2, {"abcdef"}}.str()), "more than its"));
  CHECK(contains(refusal("a.png", PngBytes{0, 1, 8, 0, {""}}.str()), "no meaning"));
  CHECK(contains(refusal("a.png", PngBytes{1, 1, 3, 0, {"a"}}.str()), "no meaning"));
  CHECK(contains(refusal("a.png", PngBytes{1, 1, 16, 3, {"ab"}}.str()), "no meaning"));
  CHECK(contains(refusal("a.png", PngBytes{1, 1, 8, 3, {"a"}}.str()), "no palette"));
  CHECK(contains(refusal("a.png", PngBytes{9, 9, 8, 0, {"abc"}}.str()), "cannot be decoded"));
  PngBytes unknown{1, 1, 8, 0, {"a"}};
  unknown.before = png_chunk("ABCD", "");
  CHECK(contains(refusal("a.png", unknown.str()), "unknown"));
  unknown.before = png_chunk("IHDR", std::string("\0\0\0\1\0\0\0\1\x08\0\0\0\0", 13));
  CHECK(contains(refusal("a.png", unknown.str()), "two headers"));
  const std::string apple = "\x89PNG\r\n\x1a\n" + png_chunk("CgBI", "abcd") + good.substr(8);
  CHECK(contains(refusal("a.png", apple), "Apple"));
}

TEST_CASE("a stream that decompresses to much more than the picture is refused, not kept in memory") {
  const std::string header("\0\0\0\1\0\0\0\1\x08\0\0\0\0", 13);
  const std::string bomb = "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) +
                           png_chunk("IDAT", deflated(std::string(std::size_t{64} << 20, '\0'))) +
                           png_chunk("IEND", "");
  CHECK(contains(refusal("a.png", bomb), "cannot be decoded"));
}

TEST_CASE("what is written is read back: grey, RGB, alpha, 16 bits, palette") {
  const Folder folder;
  const std::string path = folder.file("a.png");
  for (const std::int64_t channels : {1, 3, 4})
    for (const Element element : {Element::u8, Element::u16}) {
      const Image image = ramp({5, 7, channels}, element, element == Element::u16 ? 400 : 1);
      write_image(path, image);
      const Image back = read_image(path);
      CHECK(back.values.shape() == image.values.shape());
      CHECK(values(back) == values(image));
      CHECK(back.element == element);
    }
  Image labels = ramp({2, 2, 1}, Element::u8);
  labels.values = labels.values.to(DType::u8);
  labels.palette = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {9, 8, 7}};
  write_image(path, labels);
  CHECK(values(read_image(path)) == Values{0, 1, 2, 3});
  CHECK(read_image(path).palette == labels.palette);
  CHECK(bytes_of(path)[25] == 3);  // an indexed image
}

TEST_CASE("what PNG cannot hold is refused, and the file that was there remains") {
  const Folder folder;
  const std::string path = folder.file("a.png");
  write_bytes(path, "before");
  const auto refused = [&](const Image& image) { return error_of([&] { write_image(path, image); }); };
  CHECK(contains(refused(ramp({2, 2, 2, 1}, Element::u8)), "NIfTI or TIFF"));
  CHECK(contains(refused(ramp({2, 2, 2}, Element::u8)), "2"));
  CHECK(contains(refused(ramp({2, 2, 1}, Element::f32)), "f32"));
  CHECK(contains(refused(ramp({2, 2, 1}, Element::u8, 100)), "300"));
  CHECK(contains(refused(ramp({2, 2, 1}, Element::u8, 0.5F)), "0.5"));
  CHECK(contains(refused(ramp({2, 2, 1}, Element::u8, -1)), "-1"));
  Image outside = ramp({2, 2, 1}, Element::u8);
  outside.palette = {{0, 0, 0}, {1, 1, 1}};
  CHECK(contains(refused(outside), "palette of 2"));
  CHECK(bytes_of(path) == "before");
  CHECK(!std::filesystem::exists(path + ".tmp"));
}

TEST_CASE("the bytes of a PNG file") {
  const std::vector<std::uint8_t> rgb{1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252};
  const std::string png = to_png({2, 2, 3}, 8, rgb);
  REQUIRE(png.size() > 57);
  CHECK(png.substr(0, 8) == std::string("\x89PNG\r\n\x1a\n", 8));
  CHECK(png.substr(12, 13) == std::string("IHDR\0\0\0\2\0\0\0\2\x08", 13));
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17);
  CHECK(static_cast<unsigned char>(png[32]) == (crc & 0xFF));
  std::string rows(14, '\0');
  uLongf size = rows.size();
  const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(png[36]));
  REQUIRE(::uncompress(reinterpret_cast<Bytef*>(rows.data()), &size, reinterpret_cast<const Bytef*>(png.data()) + 41,
                       static_cast<uLong>(length)) == Z_OK);
  CHECK(rows.substr(0, 7) == std::string("\2\1\2\3\4\5\6"));
  CHECK(rows[7] == '\2');
  CHECK(static_cast<unsigned char>(rows[8]) == 6);     // 7 - 1
  CHECK(static_cast<unsigned char>(rows[13]) == 246);  // 252 - 6
}

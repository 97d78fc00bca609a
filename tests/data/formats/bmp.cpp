// BMP: the values of every kind of pixel, both orders of rows, and what a damaged file says.
#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

using Values = std::vector<float>;
const std::string kBmpColours("\x1E\x14\x0A\0\x3C\x32\x28\0\xDC\xD2\xC8\0", 12);  // blue, green, red, 0
const std::string kBmpGreys("\0\0\0\0\x50\x50\x50\0\xFF\xFF\xFF\0\x07\x07\x07\0", 16);

}  // namespace

TEST_CASE("rows begin with the lowest, or with a negative height with the highest") {
  BmpBytes bmp{2, 2, 24, {"abcdef", "ghijkl"}};
  const Image image = read_as("a.bmp", bmp.str());
  CHECK(image.values.shape() == Shape{2, 2, 3});
  CHECK(image.element == h5::Element::u8);
  CHECK(image.spacing == std::vector<double>{1, 1});
  CHECK(values(image) == Values{'i', 'h', 'g', 'l', 'k', 'j', 'c', 'b', 'a', 'f', 'e', 'd'});  // blue comes first
  bmp.height = -2;
  CHECK(values(read_as("a.bmp", bmp.str())) == Values{'c', 'b', 'a', 'f', 'e', 'd', 'i', 'h', 'g', 'l', 'k', 'j'});
}

TEST_CASE("the fourth byte of a pixel is no channel") {
  BmpBytes bmp{2, 1, 32, {"abc\1def\2"}};
  CHECK(values(read_as("a.bmp", bmp.str())) == Values{'c', 'b', 'a', 'f', 'e', 'd'});
  bmp.method = 3;
  for (const std::uint32_t header : {40u, 124u}) {
    bmp.header = header;
    CHECK(values(read_as("a.bmp", bmp.str())) == Values{'c', 'b', 'a', 'f', 'e', 'd'});
  }
}

TEST_CASE("indices stay indices if their palette has colours, and become grey values if it has none") {
  for (const auto& [bits, row] : {std::pair{8, std::string("\2\1\0", 3)}, {4, std::string("\x21\x00", 2)}}) {
    BmpBytes bmp{3, 1, static_cast<std::uint16_t>(bits), {row}, kBmpColours};
    const Image colours = read_as("a.bmp", bmp.str());
    CHECK(values(colours) == Values{2, 1, 0});
    REQUIRE(colours.palette.size() == 3);
    CHECK(colours.palette[2] == Colour{200, 210, 220});
    bmp.palette = kBmpGreys;
    const Image grey = read_as("a.bmp", bmp.str());
    CHECK(values(grey) == Values{255, 80, 0});
    CHECK(grey.palette.empty());
  }
  CHECK(values(read_as("a.bmp", BmpBytes{9, 1, 1, {"\xA0\x80"}, std::string("\0\0\0\0\xFF\xFF\xFF\0", 8)}.str())) ==
        Values{255, 0, 255, 0, 0, 0, 0, 0, 255});
  const Image beyond = read_as("a.bmp", BmpBytes{1, 1, 8, {"\7"}, kBmpColours}.str());
  CHECK(values(beyond) == Values{7});
  CHECK(noted(beyond, "shown black"));
}

TEST_CASE("the old header of OS/2 has a palette of three bytes a colour") {
  BmpBytes bmp{2, 1, 8, {std::string("\1\0", 2)}, std::string("\1\2\3\4\5\6", 6), 0, 12};
  const Image image = read_as("a.bmp", bmp.str());
  CHECK(values(image) == Values{1, 0});
  CHECK(image.palette == std::vector<Colour>{{3, 2, 1}, {6, 5, 4}});
}

TEST_CASE("a BMP that is cut off, compressed or senseless is refused") {
  BmpBytes bmp{3, 2, 8, {"abc", "def"}, kBmpColours};
  // Writers may leave out what fills the last row.
  CHECK(every_beginning_is_refused("a.bmp", bmp.str(), bmp.str().size() - 1));
  CHECK(values(read_as("a.bmp", bmp.str().substr(0, bmp.str().size() - 1))) == values(read_as("a.bmp", bmp.str())));
  bmp.method = 1;
  CHECK(contains(refusal("a.bmp", bmp.str()), "compressed"));
  bmp = {3, 2, 16, {"abcdef", "ghijkl"}};
  CHECK(contains(refusal("a.bmp", bmp.str()), "16 bits per pixel"));
  bmp = {3, 0, 24, {}};
  CHECK(contains(refusal("a.bmp", bmp.str()), "3 x 0 pixels"));
  for (const std::int32_t height :
       {std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
    bmp = {std::numeric_limits<std::int32_t>::max(), height, 32, {"abcd"}};
    CHECK(contains(refusal("a.bmp", bmp.str()), "cut off"));
  }
  bmp = {1, 1, 8, {"a"}, ""};
  CHECK(contains(refusal("a.bmp", bmp.str()), "no palette"));
}

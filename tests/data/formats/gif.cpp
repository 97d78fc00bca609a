// GIF: the pixels that another program has packed, tables of codes that are full, and what a damaged file says.
#include "tests/data/formats/support.h"

using namespace voxgrad;
using namespace voxgrad::data;
using namespace voxgrad::test;

namespace {

using Values = std::vector<float>;
// 23 x 17 pixels by Pillow; the index at row i, column j is (3 i i + 5 j + i j) % 7.
const std::string kByPillow = from_hex(
    "47494638376117001100820000000000ff000000ff000000ff090909080706c864320102032c00000000170011000008b8000114"
    "1810c000010102091a4438b0e0c184020200305080c08088132b5e9448d1a2800220438a1c4912a4010001040c2050e064ca952d"
    "51aa6479d2408001050008206013a74e9e3773eeb45920000100030c7c348a5469d1a349970e00402040010106a656bd9a95aa55"
    "ac53133a64a8f061c38510396ac4d87163468f25e3c6753933e64b9a3261d60cfab3a750a03e875a651af569d3a5509ddef4ca55"
    "ebd7ae5bc102108bf6acd9b264d9ae55eb91f345b9a0450604003b");
const std::string kGifColours("\0\0\0\x0A\x14\x1E\xC8\xD2\xDC\1\2\3", 12), kGifGreys("\0\0\0\xFF\xFF\xFF", 6);

}  // namespace

TEST_CASE("a GIF of another program has its indices as values, and its palette") {
  const Image image = read_as("a.gif", kByPillow);
  REQUIRE(image.values.shape() == Shape{17, 23, 1});
  for (std::int64_t i = 0; i < 17; ++i)
    for (std::int64_t j = 0; j < 23; ++j)
      CHECK(image.values.at(i, j, 0) == static_cast<double>((3 * i * i + 5 * j + i * j) % 7));
  REQUIRE(image.palette.size() == 8);
  CHECK(image.palette[6] == Colour{200, 100, 50});
}

TEST_CASE("a palette of greys: the values are grey") {
  const Image image = read_as("a.gif", GifBytes{3, 1, std::string("\1\0\1", 3), kGifGreys, 2}.str());
  CHECK(values(image) == Values{255, 0, 255});
  CHECK(image.palette.empty());
  CHECK(image.element == h5::Element::u8);
}

TEST_CASE("codes grow to 12 bits, the table stays when it is full, and a run may name itself") {
  for (const int bits : {2, 5, 8}) {
    GifBytes gif{211, 307, std::string(211 * 307, '\0'), kGifColours, bits};
    for (std::size_t i = 0; i < gif.pixels.size(); ++i)
      gif.pixels[i] = static_cast<char>(i < 20000 ? (i * i / 7 + i / 211) % 4 : i / 5000 % 4);
    const std::vector<float> read = values(read_as("a.gif", gif.str()));
    CHECK(std::equal(read.begin(), read.end(), gif.pixels.begin(), gif.pixels.end(),
                     [](float value, char pixel) { return value == static_cast<float>(pixel); }));
  }
}

TEST_CASE("interlaced rows come in four rounds") {
  GifBytes gif{1, 11, std::string("\0\1\2\3\0\1\2\3\0\1\2", 11), kGifColours, 2, true};
  // rows 0, 8; 4; 2, 6, 10; 1, 3, 5, 7, 9
  CHECK(values(read_as("a.gif", gif.str())) == Values{0, 2, 3, 3, 2, 0, 0, 1, 1, 2, 1});
}

TEST_CASE("the first picture of an animation is read, with a note") {
  GifBytes gif{2, 1, std::string("\1\2", 2), kGifColours, 2};
  std::string bytes = gif.str();
  bytes.insert(bytes.size() - 1, gif.picture());
  const Image image = read_as("a.gif", bytes);
  CHECK(values(image) == Values{1, 2});
  CHECK(noted(image, "animation"));
}

TEST_CASE("a GIF that is cut off, transparent or senseless is refused") {
  GifBytes gif{5, 4, std::string("\1\2\1\2\1\1\1\1\0\0\0\0\1\2\1\2\1\2\3\3", 20), kGifColours, 2};
  CHECK(every_beginning_is_refused("a.gif", gif.str()));
  gif.transparent = 3;
  CHECK(contains(refusal("a.gif", gif.str()), "2 pixels are transparent"));
  gif.transparent = -1;
  gif.height = 5;
  CHECK(contains(refusal("a.gif", gif.str()), "20 of 25 pixels"));
  gif.height = 0;
  CHECK(contains(refusal("a.gif", gif.str()), "5 x 0 pixels"));
  gif = {1, 1, std::string("\1", 1), "", 2};
  std::string bytes = gif.str();
  bytes[10] = 0;  // no palette
  bytes.erase(13, 6);
  CHECK(contains(refusal("a.gif", bytes), "no palette"));
  CHECK(contains(refusal("a.gif", std::string("GIF89a\1\0\1\0\0\0\0;", 14)), "no picture"));
  bytes = GifBytes{2, 1, std::string("\1\2", 2), kGifColours, 2}.str();
  bytes[6] = 3;  // the picture does not fill the width
  CHECK(contains(refusal("a.gif", bytes), "does not fill"));
}

// Pictures of labels: borders that survive thinning and enlarging, voxels that count for nothing, the side that is up.
#include "apps/report/slices.h"

#include <algorithm>

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;

namespace {

// A black image with a square of class 1 from a quarter to three quarters of each side.
struct Square {
  Tensor image, labels;
  explicit Square(std::int64_t side) : image(zeros({side, side, 1})), labels(zeros({side, side}, DType::u8)) {
    for (std::int64_t y = side / 4; y < 3 * side / 4; ++y)
      for (std::int64_t x = side / 4; x < 3 * side / 4; ++x) labels.data<std::uint8_t>()[y * side + x] = 1;
  }
};

Colour pixel(const Picture& picture, std::int64_t x, std::int64_t y) {
  const std::uint8_t* rgb = picture.rgb.data() + 3 * (y * picture.width + x);
  return {rgb[0], rgb[1], rgb[2]};
}

const LabelStyle kStyle{{{0, 0, 0}, {200, 0, 0}}, 255};

}  // namespace

TEST_CASE("a class has its whole border in a picture that is thinned out or enlarged") {
  for (const std::int64_t side : {16, 100, 1000}) {
    const Square square(side);
    const Picture picture = enlarged(draw_slice(square.image, 0, 100), square.labels, 0, 100, kStyle);
    CHECK(picture.width == (side == 16 ? 96 : 100));
    const std::int64_t first = picture.width / 4, last = 3 * picture.width / 4 - 1;
    for (std::int64_t i = first; i <= last; ++i)
      for (const Colour& colour :
           {pixel(picture, i, first), pixel(picture, i, last), pixel(picture, first, i), pixel(picture, last, i)})
        CHECK(colour == Colour{200, 0, 0});
    const Colour inside = pixel(picture, picture.width / 2, picture.width / 2);
    CHECK(inside[0] > 100);
    CHECK(inside[0] < 200);
    CHECK(pixel(picture, first - 1, first - 1) == pixel(picture, 0, 0));
  }
}

TEST_CASE("voxels that count for nothing are grey; upright turns the rows") {
  Square square(8);
  square.labels.data<std::uint8_t>()[0] = 255;
  for (std::int64_t i = 0; i < 64; ++i) square.image.data<float>()[i] = static_cast<float>(i % 2);
  LabelStyle style = kStyle;
  const Picture base = draw_slice(square.image, 0, 8);
  const Picture plain = enlarged(base, square.labels, 0, 8, style);
  CHECK(pixel(plain, 2, 0) == Colour{0, 0, 0});
  CHECK(pixel(plain, 0, 0)[0] > 60);
  CHECK(pixel(plain, 0, 0)[0] == pixel(plain, 0, 0)[1]);
  style.upright = true;
  const Picture turned = enlarged(base, square.labels, 0, 8, style);
  CHECK(pixel(turned, 0, 7) == pixel(plain, 0, 0));
  CHECK(pixel(turned, 0, 0) == pixel(plain, 0, 7));
}

TEST_CASE("mistakes: found, missed and false have their colours, with borders between them; what is ignored is grey") {
  const Tensor image = zeros({1, 5, 1}), truth = zeros({1, 5}, DType::u8), found = zeros({1, 5}, DType::u8);
  const std::uint8_t right[]{0, 1, 2, 0, 255}, there[]{0, 1, 0, 2, 1};
  std::copy_n(right, 5, truth.data<std::uint8_t>());
  std::copy_n(there, 5, found.data<std::uint8_t>());
  const Tensor map = mistakes(truth, found, 255);
  CHECK(map.to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 1, 2, 3, 255});
  const Picture picture = enlarged(draw_slice(image, 0, 5), map, 0, 5, style_of_mistakes(kStyle));
  CHECK(pixel(picture, 0, 0) == pixel(draw_slice(image, 0, 5), 0, 0));
  CHECK(pixel(picture, 1, 0) == Colour{0x56, 0xB4, 0xE9});  // one pixel is all border
  CHECK(pixel(picture, 2, 0) == Colour{0xF0, 0xE4, 0x42});
  CHECK(pixel(picture, 3, 0) == Colour{0xD5, 0x5E, 0x00});
  CHECK(pixel(picture, 4, 0)[0] == pixel(picture, 4, 0)[2]);
  CHECK(mistakes(found, found, -1).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 1, 0, 1, 1});
}

TEST_CASE("the slice that is shown: the fullest one, of an empty volume the middle one") {
  Tensor labels = zeros({5, 2, 2}, DType::u8);
  CHECK(fullest_slice(labels) == 2);
  for (std::int64_t i = 0; i < 4; ++i) labels.data<std::uint8_t>()[i] = 255;
  labels.data<std::uint8_t>()[4 * 3] = 1;
  CHECK(fullest_slice(labels) == 3);
  CHECK(fullest_slice(labels, -1) == 0);
}

TEST_CASE("voxels that are no squares are stretched, so that bodies keep their shape") {
  const Square square(16);
  data::Case one;
  const auto drawn = [&](const std::vector<double>& spacing) {
    one.spacing = spacing;
    return enlarged(draw_slice(square.image, 0, 128), square.labels, 0, 128, label_style(one, kStyle.colours, 2));
  };
  const Picture wide = drawn({1, 0.5, 2}), tall = drawn({3, 1}), even = drawn({9, 1, 1.2});
  CHECK(wide.width == 128);
  CHECK(wide.height == 32);
  CHECK(tall.width == 32);
  CHECK(tall.height == 96);
  CHECK(even.width == 128);
  CHECK(even.height == 128);
  CHECK(pixel(wide, 32, 8) == Colour{200, 0, 0});  // the corners of the square
  CHECK(pixel(wide, 95, 23) == Colour{200, 0, 0});
  CHECK(pixel(wide, 31, 8) == pixel(wide, 0, 0));
}

TEST_CASE("a name of a megabyte takes no gigabytes to draw") {
  const Square square(100);
  const Picture picture = draw_slice(square.image, 0, 100);
  const auto sheet = [&](std::size_t letters) {
    return draw_sheet({picture}, {std::string(letters, 'a')}, {"background", std::string(letters, 'b')}, kStyle.colours)
        .rgb;
  };
  CHECK(sheet(std::size_t{1} << 22) == sheet(2000));
}

// Paints on a Picture: rectangles, text, colours for numbers.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "apps/report/picture.h"
#include "data/formats/image.h"

namespace voxgrad::apps {

using data::Colour;

// "#56b4e9"
std::string css_colour(const Colour& colour);

// Gives a colour to a number from `low` to `high`. The stops are equally spaced; between them colours change linearly.
struct ColourMap {
  std::vector<Colour> stops;
  double low = 0, high = 1;
  Colour operator()(double value) const;
};
// Goes from dark to light.
ColourMap grey_map(double low, double high);
// Goes from orange over white at 0 to blue. Everybody can tell the ends apart (ColorBrewer's PuOr and RdBu).
ColourMap diverging_map(double most);

class Drawing {
 public:
  Drawing(std::int64_t width, std::int64_t height, Colour paper = {255, 255, 255});
  // Parts outside the picture are cut off.
  void fill(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour);
  // The text is printable ASCII; (x, y) is its upper left corner.
  void text(std::int64_t x, std::int64_t y, const std::string& words, Colour colour = {0, 0, 0});
  static std::int64_t text_width(const std::string& words);
  static constexpr std::int64_t kTextHeight = 20;
  static constexpr std::size_t kMostLetters = 1000;  // of a text; more are left out
  // Draws the colours of a map from left to right in a frame.
  void bar(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, const ColourMap& map);
  const Picture& picture() const { return picture_; }

 private:
  Picture picture_;
};

}  // namespace voxgrad::apps

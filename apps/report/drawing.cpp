#include "apps/report/drawing.h"

#include <stb/stb_easy_font.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace voxgrad::apps {
namespace {

constexpr std::int64_t kTextScale = 2;  // the font of stb has letters of about 6 x 8 dots

// stb takes text that it could change.
std::string printable(const std::string& words) {
  std::string result = words.substr(0, Drawing::kMostLetters);
  for (char& c : result)
    if (c < 32 || c > 126) c = '?';
  return result;
}

}  // namespace

std::string css_colour(const Colour& colour) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", colour[0], colour[1], colour[2]);
  return text;
}

Colour ColourMap::operator()(double value) const {
  const double share = std::clamp((value - low) / (high - low), 0.0, 1.0) * static_cast<double>(stops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(share), stops.size() - 2);
  const double rest = share - static_cast<double>(below);
  Colour colour{};
  for (std::size_t i = 0; i < 3; ++i)
    colour[i] = static_cast<std::uint8_t>(std::lround((1 - rest) * stops[below][i] + rest * stops[below + 1][i]));
  return colour;
}

ColourMap grey_map(double low, double high) { return {{{20, 20, 20}, {250, 250, 250}}, low, high}; }

ColourMap diverging_map(double most) {
  return {
      {{127, 59, 8}, {224, 130, 20}, {253, 190, 110}, {250, 250, 250}, {120, 180, 220}, {33, 102, 172}, {5, 48, 97}},
      -most,
      most};
}

Drawing::Drawing(std::int64_t width, std::int64_t height, Colour paper)
    : picture_{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))} {
  fill(0, 0, width, height, paper);
}

void Drawing::fill(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour) {
  const std::int64_t right = std::min(x + width, picture_.width), bottom = std::min(y + height, picture_.height);
  for (std::int64_t row = std::max<std::int64_t>(y, 0); row < bottom; ++row)
    for (std::int64_t column = std::max<std::int64_t>(x, 0); column < right; ++column)
      std::copy(colour.begin(), colour.end(), picture_.rgb.begin() + 3 * (row * picture_.width + column));
}

void Drawing::text(std::int64_t x, std::int64_t y, const std::string& words, Colour colour) {
  struct Corner {
    float x, y, z;
    std::array<unsigned char, 4> colour;
  };
  std::string copy = printable(words);
  std::vector<Corner> corners(copy.size() * 80 + 80);  // far more than the about 270 bytes a letter takes
  const int quads = stb_easy_font_print(0, 0, copy.data(), nullptr, corners.data(),
                                        static_cast<int>(corners.size() * sizeof(Corner)));
  for (std::size_t i = 0; i < static_cast<std::size_t>(quads); ++i) {
    const Corner &first = corners[4 * i], &last = corners[4 * i + 2];
    const auto at = [](float dots) { return static_cast<std::int64_t>(std::lround(dots * kTextScale)); };
    fill(x + at(first.x), y + at(first.y), at(last.x) - at(first.x), at(last.y) - at(first.y), colour);
  }
}

std::int64_t Drawing::text_width(const std::string& words) {
  std::string copy = printable(words);
  return kTextScale * stb_easy_font_width(copy.data());
}

void Drawing::bar(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, const ColourMap& map) {
  fill(x - 1, y - 1, width + 2, height + 2, {0, 0, 0});
  for (std::int64_t i = 0; i < width; ++i)
    fill(x + i, y, 1, height,
         map(map.low + (map.high - map.low) * static_cast<double>(i) / static_cast<double>(width - 1)));
}

}  // namespace voxgrad::apps

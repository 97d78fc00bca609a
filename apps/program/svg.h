// Pictures made of lines, shapes and words. They are written as SVG, and as PDF by report/paper/pdf.h. Colours are
// classes. Inside an HTML page the page's style sheet sets them, for light and for dark screens; a picture that is a
// file of its own brings its style with it. Sizes are pixels. A picture of the usual width fits the narrowest phone,
// and wider screens show several side by side.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "losses/core/registry.h"

namespace voxgrad::apps {

inline constexpr double kPictureWidth = 360, kWideWidth = 600;  // two of the wide ones fill a desk

// Replaces &, <, > and quotes by what HTML and SVG need.
std::string escaped(const std::string& text);
// Cuts a text that has more than `letters` letters; an ellipsis is then its last letter.
std::string shortened(const std::string& text, std::size_t letters);

// What a picture is made of, in the order in which it is drawn.
struct Mark {
  enum class Kind { line, curve, polygon, rect, dot, text, begin, end };
  Kind kind;
  std::string style;                                   // CSS classes
  std::vector<std::pair<double, double>> points = {};  // of a rect the upper left and the lower right corner
  double radius = 0;                                   // of a dot
  std::string words = {}, anchor = {}, whole = {};     // of a text
};

class Svg {
 public:
  // `title` is read to people who cannot see the picture.
  Svg(double width, double height, const std::string& title) : width_(width), height_(height), title_(title) {}
  double width() const { return width_; }
  double height() const { return height_; }
  const std::string& title() const { return title_; }
  const std::vector<Mark>& marks() const { return marks_; }

  void line(double x1, double y1, double x2, double y2, const std::string& style);
  void rect(double x, double y, double width, double height, const std::string& style);
  void curve(const std::vector<std::pair<double, double>>& points, const std::string& style);
  void dot(double x, double y, double radius, const std::string& style);
  // Anchor: start, middle or end. `whole` is shown when the text is pointed at, if it is not the text itself.
  void text(double x, double y, const std::string& anchor, const std::string& words, const std::string& style = "",
            const std::string& whole = "");
  // Each kind of loss has a colour and a shape: circle, square, triangle, diamond.
  void marker(double x, double y, losses::Family family);
  // What is drawn until end() belongs together: a style sheet can change it when one part is pointed at.
  void begin(const std::string& style);
  void end();
  // Returns the picture. With a `style` (CSS) it can be a file of its own.
  std::string str(const std::string& style = "") const;

 private:
  double width_, height_;
  std::string title_;
  std::vector<Mark> marks_;
};

// The room for names of losses beside a plot, in pixels and in letters.
struct NameColumn {
  double width;
  std::size_t letters;
  explicit NameColumn(double picture)
      : width(picture < kWideWidth ? 138 : 214), letters(picture < kWideWidth ? 20 : 33) {}
};

// A scale from values to pixels, with round ticks.
struct Axis {
  double low, high;  // values at the ends
  double from, to;   // pixels there
  double operator()(double value) const { return from + (to - from) * (value - low) / (high - low); }
  std::vector<double> ticks() const;
  // Writes the value of a tick with as many digits as the distance of the ticks needs.
  std::string label(double tick) const;
};
// Returns an axis with a small margin around the values. It stays between `least` and `most` and is at least as wide as
// `narrowest`.
Axis axis_around(const std::vector<double>& values, double least, double most, double narrowest, double from,
                 double to);
// Moves places apart until each has its room, as little as possible, from the top down.
void move_apart(std::vector<double>& places, double room, double top, double bottom);
// Draws vertical grid lines with their values below them, and below these their meaning with the unit.
void draw_horizontal_axis(Svg& svg, const Axis& axis, double top, double bottom, const std::string& meaning);

}  // namespace voxgrad::apps

// How the marks of a plot look: for each CSS class the colours of its area and its line. The page, the picture that is
// a file of its own and the PDF take them from the same table. Colours of kinds of losses: Okabe and Ito's palette,
// lighter in the dark.
#pragma once

#include <string>
#include <vector>

#include "data/formats/image.h"

namespace voxgrad::apps {

struct Tone {
  const char* name;          // of the CSS variable
  data::Colour light, dark;  // on a light and on a dark screen
};
const std::vector<Tone>& tones();

struct Look {
  const char* style;  // CSS class
  const Tone *fill = nullptr, *stroke = nullptr;
  double fill_opacity = 1, stroke_opacity = 1;
  double width = 1;          // of the line, pixels
  double dash = 0, gap = 0;  // pixels; 0: a whole line
};
// The look of a class; a text without a class is in ink. Nothing for a class that the table does not know.
const Look* look_of(const std::string& style);

// The rules for pictures in a page, whose colours are variables of the page.
std::string look_rules();
// The style of a picture that is a file of its own, on white paper.
std::string paper_style();

}  // namespace voxgrad::apps

// Writes a picture as PDF 1.4 (ISO 32000-1): lines, shapes and words, as plots draw them (program/svg.h). The font is
// Helvetica, which every reader has, so that none is in the file. A journal that wants all fonts embedded gets them
// with `ps2pdf -dPDFSETTINGS=/prepress`, or from the same picture as SVG.
#pragma once

#include <string>

#include "apps/program/svg.h"

namespace voxgrad::apps {

// Returns the bytes of the file; a pixel becomes a point. Letters outside Latin-1 become question marks.
std::string to_pdf(const Svg& picture);

// The width of a text in Helvetica of size 1, from the widths that Adobe publishes for the font. `words` is UTF-8.
double helvetica_width(const std::string& words);

}  // namespace voxgrad::apps

// Reads the letters of a text, and writes them as LaTeX.
#pragma once

#include <string>

namespace voxgrad::apps {

// Returns the letters of a text in UTF-8. Bytes that are none become U+FFFD.
std::u32string letters_of(const std::string& words);

// Returns a text for LaTeX: what has a meaning there is escaped. Letters that pdflatex does not know without more
// packages become question marks; those of most European languages stay.
std::string latex(const std::string& words);

}  // namespace voxgrad::apps

#include "apps/report/paper/latin.h"

#include <cstddef>

namespace voxgrad::apps {
namespace {

// What pdflatex sets in every encoding of its fonts.
const std::u32string kAccented =
    U"ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿß"
    U"ĆćČčĎďĚěŁłŃńŇňŐőŘřŚśŞşŠšŤťŮůŰűŹźŻżŽž";

// How many bytes follow the first one of a letter; -1 if it cannot be the first one.
int more_bytes(unsigned char first) {
  if (first < 0x80) return 0;
  if (first >= 0xC2 && first < 0xE0) return 1;
  if (first >= 0xE0 && first < 0xF0) return 2;
  return first >= 0xF0 && first < 0xF5 ? 3 : -1;
}

}  // namespace

std::u32string letters_of(const std::string& words) {
  std::u32string letters;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto first = static_cast<unsigned char>(words[i]);
    const int more = more_bytes(first);
    char32_t letter = more <= 0 ? first : first & (0x3Fu >> more);
    bool whole = more >= 0;
    for (int k = 0; k < more && whole; ++k) {
      const auto next = static_cast<unsigned char>(i + 1 < words.size() ? words[i + 1] : 0);
      whole = (next & 0xC0u) == 0x80u;
      if (!whole) break;
      letter = letter << 6 | (next & 0x3Fu);
      ++i;
    }
    letters += whole ? letter : U'\uFFFD';
  }
  return letters;
}

std::string latex(const std::string& words) {
  std::string result;
  for (const char32_t letter : letters_of(words)) {
    switch (letter) {
      case U'&':
      case U'%':
      case U'$':
      case U'#':
      case U'_':
      case U'{':
      case U'}': result.append("\\").append(1, static_cast<char>(letter)); continue;
      case U'\\': result += "\\textbackslash{}"; continue;
      case U'~': result += "\\textasciitilde{}"; continue;
      case U'^': result += "\\textasciicircum{}"; continue;
      case U'<': result += "\\textless{}"; continue;
      case U'>': result += "\\textgreater{}"; continue;
      case U'|': result += "\\textbar{}"; continue;
      case U'"': result += "{''}"; continue;
      case U'`': result += "\\textasciigrave{}"; continue;
      case U'-': result += "{-}"; continue;  // two in a row would become a dash
      case U'[': result += "{[}"; continue;  // after the end of a row it would begin a length
      default: break;
    }
    if (letter < 0x80)
      result += letter < 32 ? ' ' : static_cast<char>(letter);
    else if (kAccented.find(letter) == std::u32string::npos)
      result += '?';
    else
      result.append(1, static_cast<char>(0xC0u | letter >> 6)).append(1, static_cast<char>(0x80u | (letter & 0x3Fu)));
  }
  return result;
}

}  // namespace voxgrad::apps

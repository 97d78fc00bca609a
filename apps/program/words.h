// Reads what people write on a command line, and makes names for files.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"

namespace voxgrad::apps {

// Returns the index of `word` in `known`. Throws Error(usage) with a did-you-mean if it is not there. The message
// begins with `what`: "--norm: unknown value".
std::size_t choice(const std::string& what, const std::string& word, const std::vector<std::string>& known);

// "2/5": part 2 of 5 parts, which are counted from 0.
struct Part {
  int index, count;
};
// Returns nothing for a text of another form, a count below 1 or an index outside 0 .. count - 1.
std::optional<Part> parse_part(const std::string& text);

// "1 case", "3 cases", "2 losses".
template <class Integer>
std::string count_text(Integer count, const std::string& noun) {
  return text(count, " ", noun, count == 1 ? "" : noun.ends_with("s") ? "es" : "s");
}

// A text as a cell of a CSV file: in quotes if it has a comma, a quote or a line end.
std::string csv_cell(const std::string& text);

// Returns a word as a shell takes it: in single quotes if it has more than letters, digits and _-+=.,:/@%.
std::string shell_word(const std::string& word);

// Makes a text the name of a file or folder: letters, digits and -_.= stay, anything else becomes an underscore. It is
// never empty, never begins with a dot, and a long one is cut and gets a checksum, so that it still has its own name.
std::string file_name(std::string text);
// The same, but none of the names that are `taken`, to which it is added: two texts may be written in the same letters.
std::string file_name(const std::string& text, std::set<std::string>& taken);

// The number of letters of a text in UTF-8, and at most so many of its first letters, each of them whole.
std::size_t letter_count(const std::string& text);
std::string first_letters(const std::string& text, std::size_t most);

// A text of a stranger as a terminal may show it: line ends and tabs stay, other control characters and bytes that are
// no UTF-8 are written \u00XX, as in JSON. Of more than `most` bytes the middle is left out.
std::string shown(const std::string& text, std::size_t most = std::string::npos);

}  // namespace voxgrad::apps

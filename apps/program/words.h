// What a person writes on a command line, read; and names for files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace voxgrad::apps {

// Index of `word` in `known`. Error(usage) with a did-you-mean otherwise; it begins with `what`, which says what is
// unknown: "--norm: unknown value".
std::size_t choice(const std::string& what, const std::string& word, const std::vector<std::string>& known);

// "2/5": part 2 of 5 parts, which are counted from 0.
struct Part {
  int index, count;
};
// Nothing for a text of another form, a count below 1 or an index outside 0 .. count - 1.
std::optional<Part> parse_part(const std::string& text);

// The text as the name of a file or folder: letters, digits and -_.= stay, anything else becomes an underscore.
std::string file_name(std::string text);

}  // namespace voxgrad::apps

#include "apps/program/words.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>

#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::apps {

std::size_t choice(const std::string& what, const std::string& word, const std::vector<std::string>& known) {
  const auto found = std::find(known.begin(), known.end(), word);
  if (found == known.end()) throw Error(ErrorKind::usage, text(what, " `", word, "`"), suggestion(word, known));
  return static_cast<std::size_t>(found - known.begin());
}

std::optional<Part> parse_part(const std::string& text) {
  Part part{};
  int used = 0;
  const bool read = std::sscanf(text.c_str(), "%d/%d%n", &part.index, &part.count, &used) == 2 &&
                    static_cast<std::size_t>(used) == text.size();
  if (!read || part.index < 0 || part.index >= part.count) return std::nullopt;
  return part;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result.append(c == '"' ? 2 : 1, c);
  return result + '"';
}

std::string shell_word(const std::string& word) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || std::strchr("_-+=.,:/@%", c) != nullptr; };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string file_name(std::string text) {
  for (char& c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && std::string("-_.=").find(c) == std::string::npos) c = '_';
  return text;
}

}  // namespace voxgrad::apps

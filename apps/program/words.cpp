#include "apps/program/words.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include "engine/error.h"
#include "engine/io/crc32.h"
#include "engine/io/file_rules.h"
#include "engine/io/json.h"
#include "engine/names.h"

namespace voxgrad::apps {
namespace {

constexpr std::size_t kLongestName = 120;  // file systems take 255 bytes, of which an ending needs some

bool begins_a_letter(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

std::size_t choice(const std::string& what, const std::string& word, const std::vector<std::string>& known) {
  const auto found = std::find(known.begin(), known.end(), word);
  if (found == known.end()) throw Error(ErrorKind::usage, text(what, " `", word, "`"), suggestion(word, known));
  return static_cast<std::size_t>(found - known.begin());
}

std::optional<Part> parse_part(const std::string& text) {
  Part part{};
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, part.index);  // no number that does not fit, no spaces or +
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '/') return std::nullopt;
  const auto last = std::from_chars(first.ptr + 1, end, part.count);
  if (last.ec != std::errc() || last.ptr != end || text[0] == '-' || part.index >= part.count) return std::nullopt;
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
  const std::string sum = "_" + hexadecimal(crc32(std::as_bytes(std::span(text))));
  for (char& c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && std::string("-_.=").find(c) == std::string::npos) c = '_';
  if (text.empty() || text.front() == '.') text.insert(text.begin(), '_');
  if (text.size() > kLongestName) text = text.substr(0, kLongestName - sum.size()) + sum;
  return text;
}

std::string file_name(const std::string& text, std::set<std::string>& taken) {
  std::string name = file_name(text);
  while (!taken.insert(name).second) name += "_";
  return name;
}

std::size_t letter_count(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_a_letter));
}

std::string first_letters(const std::string& text, std::size_t most) {
  std::size_t end = 0;
  for (std::size_t letters = 0; end < text.size(); ++end)
    if (begins_a_letter(text[end]) && ++letters > most) break;
  return text.substr(0, end);
}

std::string shown(const std::string& text, std::size_t most) {
  if (text.size() > most)
    return shown(text.substr(0, most / 2)) + voxgrad::text(" [", text.size() - most, " bytes] ") +
           shown(text.substr(text.size() - most / 2));
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = character_length(std::string_view(text).substr(i));
    const bool control = length > 0 && is_control(std::string_view(text).substr(i, length));
    const std::size_t taken = std::max<std::size_t>(1, length);
    if (length > 0 && (!control || lead == '\n' || lead == '\t')) {
      result.append(text, i, taken);
    } else {
      unsigned code = static_cast<unsigned char>(text[i + taken - 1]);  // also of what is no UTF-8, and of 2 bytes
      if (length == 3) code = (lead & 0xFU) << 12 | (text[i + 1] & 0x3FU) << 6 | (code & 0x3FU);
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", code);
      result += escape;
    }
    i += taken;
  }
  return result;
}

}  // namespace voxgrad::apps

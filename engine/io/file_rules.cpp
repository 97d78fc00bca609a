#include "engine/io/file_rules.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/io/json.h"

namespace voxgrad {

std::string spacing_problem(const std::vector<double>& spacing, std::int64_t axes, std::int64_t samples) {
  constexpr std::size_t kShown = 6;
  const std::int64_t count = std::ssize(spacing);
  bool good = axes > 0 && (count == axes || count == axes * samples);
  for (auto first = spacing.begin(); good && first != spacing.end(); first += axes) {
    const auto [least, most] = std::minmax_element(first, first + axes);
    good = std::all_of(first, first + axes, is_spacing) && *most <= *least * kMostRatio * (1 + 1e-9);
  }
  if (good) return "";
  std::string found;
  for (std::size_t i = 0; i < std::min(kShown, spacing.size()); ++i) found += text(i > 0 ? ", " : "", spacing[i]);
  if (spacing.size() > kShown) found += ", ..";
  return text("spacing must be ", axes, " positive numbers, one per axis",
              samples > 1 ? ", or those of each sample" : "", ", from ", kLeastSpacing, " to ", kMostSpacing,
              ", none more than ", kMostRatio, " times another; it is [", found, "]");
}

int thick_axis(const std::vector<double>& spacing) {
  constexpr double kThick = 3;
  if (spacing.size() != 3) return -1;
  const auto thickest = std::max_element(spacing.begin(), spacing.end());
  for (auto other = spacing.begin(); other != spacing.end(); ++other)
    if (other != thickest && *thickest <= kThick * *other) return -1;
  return static_cast<int>(thickest - spacing.begin());
}

void require_spacing(std::string_view who, const std::vector<double>& spacing, std::int64_t axes,
                     std::int64_t samples) {
  if (spacing.empty()) return;
  const std::string problem = spacing_problem(spacing, axes, samples);
  check(problem.empty(), who, ": ", problem);
}

bool is_control(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (lead < 0x20 || lead == 0x7F || (lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0)) return true;
  return ("\xE2\x80\xAA" <= character && character <= "\xE2\x80\xAE") ||
         ("\xE2\x81\xA6" <= character && character <= "\xE2\x81\xA9");
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    if (length == 0 || is_control(text.substr(0, length))) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string NameList::add(const std::string& name) {
  const std::size_t number = first_.size();
  constexpr std::size_t kLongest = 1000;  // tables and pictures have a place for each letter
  if (name.empty()) return text(number, " is empty");
  if (name.size() > kLongest) return text(number, " has ", name.size(), " bytes, at most ", kLongest, " are read");
  if (!is_printable(name)) return text(number, " is no printable UTF-8");
  const auto [other, is_new] = first_.emplace(name, number);
  return is_new ? "" : text(other->second, " and ", number, " are both \"", name, '"');
}

}  // namespace voxgrad

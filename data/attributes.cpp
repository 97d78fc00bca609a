#include "data/attributes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr const char* kPairs = "pairs such as 0:0,255:1 of different values 0..65535";

[[noreturn]] void fail(const std::string& where, const char* attribute, const std::string& found,
                       const char* expected) {
  throw Error(ErrorKind::data, text(where, ": ", attribute, " is \"", found.substr(0, 40), "\", expected ", expected));
}

// Reads a whole number at the beginning of `rest` and leaves what follows there.
bool take_number(std::string_view& rest, int& number, int base = 10) {
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (code != std::errc()) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return true;
}

bool take(std::string_view& rest, char expected) {
  if (rest.empty() || rest[0] != expected) return false;
  rest.remove_prefix(1);
  return true;
}

}  // namespace

bool is_own_attribute(const std::string& name) {
  constexpr std::array kOwn{"format",       "format_version", "class_names",  "ignore_label",
                            "spacing_unit", "label_map",      "class_colours"};
  return std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
}

std::string text_of(const std::map<int, int>& label_map) {
  std::string result;
  for (const auto& [stored, label] : label_map) result += text(result.empty() ? "" : ",", stored, ':', label);
  return result;
}

std::map<int, int> label_map_of(const std::string& text, const std::string& where) {
  std::map<int, int> result;
  std::string_view rest = text;
  do {
    int stored = 0, label = 0;
    if (!take_number(rest, stored) || !take(rest, ':') || !take_number(rest, label) || stored < 0 ||
        stored > kMostMaskValue || !result.emplace(stored, label).second)
      fail(where, "label_map", text, kPairs);
  } while (take(rest, ','));
  if (!rest.empty()) fail(where, "label_map", text, kPairs);
  return result;
}

std::string text_of(const std::vector<Colour>& colours) {
  std::string result;
  for (const Colour& colour : colours) {
    std::array<char, 16> hex{};
    std::snprintf(hex.data(), hex.size(), "#%02x%02x%02x", colour[0], colour[1], colour[2]);
    result += (result.empty() ? "" : ",") + std::string(hex.data());
  }
  return result;
}

std::vector<Colour> colours_of(const std::string& text, const std::string& where) {
  std::vector<Colour> result;
  std::string_view rest = text;
  do {
    std::string_view digits = rest.substr(std::min<std::size_t>(1, rest.size()), 6);
    int colour = 0;
    if (!take(rest, '#') || digits.size() != 6 || digits[0] == '-' || !take_number(digits, colour, 16) ||
        !digits.empty())
      fail(where, "class_colours", text, "colours such as #000000,#ff0000");
    const auto part = [&](int shift) { return static_cast<std::uint8_t>(colour >> shift & 0xFF); };
    result.push_back({part(16), part(8), part(0)});
    rest.remove_prefix(6);
  } while (take(rest, ','));
  if (!rest.empty()) fail(where, "class_colours", text, "colours such as #000000,#ff0000");
  return result;
}

Kind kind_of_text(const std::string& text, const std::string& where) {
  for (const Kind kind : {Kind::png, Kind::jpeg, Kind::bmp, Kind::gif, Kind::tiff, Kind::nifti, Kind::hdf5})
    if (text == name_of(kind)) return kind;
  fail(where, "source_kind", text, "PNG, JPEG, BMP, GIF, TIFF, NIfTI or HDF5");
}

}  // namespace voxgrad::data

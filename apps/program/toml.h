// Settings as flat TOML: one `name = value` a line. A value is a text in "quotes" with escapes or in 'quotes' as it is,
// a number, true or false, or a list of these in brackets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace voxgrad::apps {

struct TomlSetting {
  std::string name;
  std::vector<std::string> words;  // of its value
  std::int64_t line;               // from 1
  bool operator==(const TomlSetting&) const = default;
};

// The settings of `toml` in their order. Throws Error(usage) that names the line if it cannot be read, tables in
// brackets included. The mark of UTF-8 (BOM), which some editors put first, is skipped.
std::vector<TomlSetting> read_flat_toml(const std::string& toml);

// A text in quotes, which read_flat_toml() reads as the same text. Throws Error(usage) if it is not UTF-8, which TOML
// and JSON demand.
std::string toml_text(const std::string& value);

}  // namespace voxgrad::apps

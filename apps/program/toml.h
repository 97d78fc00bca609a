// Settings as flat TOML: one `name = value` a line. A value is a text in "quotes" with escapes or in 'quotes' as it is,
// a number, true or false, or a list of these in brackets.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace voxgrad::apps {

// The settings of `toml` in their order, each with the words of its value. Throws Error(usage) that names the line if
// it cannot be read, tables in brackets included.
std::vector<std::pair<std::string, std::vector<std::string>>> read_flat_toml(const std::string& toml);

// A text in quotes, which read_flat_toml() reads as the same text. Throws Error(usage) if it is not UTF-8, which TOML
// and JSON demand.
std::string toml_text(const std::string& value);

}  // namespace voxgrad::apps

// JSON as the program writes it: keys keep the order in which they were added, NaN and infinities are strings.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace voxgrad::apps {

using Json = nlohmann::ordered_json;

inline Json number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

// The inverse of number().
inline double to_number(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const std::string word = json.get<std::string>();
  if (word == "NaN") return std::nan("");
  return word == "-Infinity" ? -HUGE_VAL : HUGE_VAL;
}

}  // namespace voxgrad::apps

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

// Returns the text of a document. Bytes that are no UTF-8 become U+FFFD, since a message of the system may have them.
inline std::string dumped(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

inline bool is_number(const Json& json) {
  return json.is_number() || json == "NaN" || json == "Infinity" || json == "-Infinity";
}
// The inverse of number(). Anything else is an error: the exception of the JSON library.
inline double to_number(const Json& json) {
  if (json.is_number() || !is_number(json)) return json.get<double>();
  return json == "NaN" ? std::nan("") : json == "Infinity" ? HUGE_VAL : -HUGE_VAL;
}

}  // namespace voxgrad::apps

#include "apps/program/fields.h"

namespace voxgrad::apps {
namespace {

double in_range(const Json& value, const std::string& key, double low, double high) {
  const double found = is_number(value) ? to_number(value) : std::nan("");
  if (is_number(value) && !(found < low || found > high)) return found;
  if (std::isinf(low) && std::isinf(high)) refuse(key, value, "a number");
  refuse(key, value, text("a number ", low, " .. ", high));
}

// The library reads any depth, but dies when it writes or copies it; and it looks for each key among all before it. The
// widest object that the program writes has a member for each class, of which there are at most 255.
constexpr std::size_t kMostNested = 64, kMostMembers = 1024;

// Looks at brackets, colons and strings alone; all else that is wrong, the library says better.
void require_small_objects(const std::string& document) {
  std::vector<std::size_t> members;  // of each array and object that is open
  bool in_string = false;
  for (std::size_t i = 0; i < document.size(); ++i) {
    const char c = document[i];
    if (c == '"') in_string = !in_string;
    if (in_string) {
      if (c == '\\') ++i;
    } else if (c == '[' || c == '{') {
      members.push_back(0);
      if (members.size() > kMostNested)
        throw Error(ErrorKind::data, text("nested too deep, in more than ", kMostNested, " arrays and objects"));
    } else if (members.empty()) {
      continue;
    } else if (c == ']' || c == '}') {
      members.pop_back();
    } else if (c == ':' && ++members.back() > kMostMembers) {
      throw Error(ErrorKind::data, text("an object has more than ", kMostMembers, " members"));
    }
  }
}

}  // namespace

void refuse(const std::string& key, const Json& value, const std::string& expected) {
  std::string seen = dumped(value);
  if (seen.size() > 40) seen.replace(37, std::string::npos, "...");
  throw Error(ErrorKind::data, text("`", key, "` is ", seen, ", must be ", expected));
}

std::string plain_words(const Json::exception& error) {
  const std::string words = error.what();
  const std::size_t end = words.find("] ");
  return words.starts_with("[json.") && end != std::string::npos ? words.substr(end + 2) : words;
}

Json parse_json(const std::string& document) try {
  require_small_objects(document);
  return Json::parse(document);
} catch (const Json::exception& error) {
  throw Error(ErrorKind::data, plain_words(error));
}

Json json_or_null(const std::string& document) try { return parse_json(document); } catch (const Error&) {
  return nullptr;
}

const Json& member(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) throw Error(ErrorKind::data, "`" + key + "` is absent");
  return *found;
}

std::string text_at(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_string()) refuse(key, value, "a text");
  return value.get<std::string>();
}

bool flag_at(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_boolean()) refuse(key, value, "true or false");
  return value.get<bool>();
}

const Json& list_at(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_array()) refuse(key, value, "a list");
  return value;
}

const Json& object_at(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (!value.is_object()) refuse(key, value, "an object");
  return value;
}

std::vector<std::string> texts_at(const Json& object, const std::string& key) {
  std::vector<std::string> texts;
  for (const Json& value : list_at(object, key)) {
    if (!value.is_string()) refuse(key, value, "a text in each place of the list");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

std::string text_or(const Json& object, const std::string& key, const std::string& otherwise) {
  return object.contains(key) ? text_at(object, key) : otherwise;
}

bool flag_or(const Json& object, const std::string& key, bool otherwise) {
  return object.contains(key) ? flag_at(object, key) : otherwise;
}

std::vector<std::string> texts_or_none(const Json& object, const std::string& key) {
  return object.contains(key) ? texts_at(object, key) : std::vector<std::string>();
}

std::int64_t whole_number(const Json& object, const std::string& key, std::int64_t low, std::int64_t high) {
  const Json& found = member(object, key);
  const bool whole = found.is_number_integer() &&
                     !(found.is_number_unsigned() && found.get<std::uint64_t>() >> 63 != 0);  // would wrap
  const std::int64_t value = whole ? found.get<std::int64_t>() : 0;
  if (!whole || value < low || value > high)
    refuse(key, found, low == high ? text(low) : text("a whole number ", low, " .. ", high));
  return value;
}

std::uint64_t seed_number(const Json& object, const std::string& key) {
  const Json& value = member(object, key);
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  return static_cast<std::uint64_t>(whole_number(object, key));
}

double real_number(const Json& object, const std::string& key, double low, double high) {
  const double value = real_or_nan(object, key, low, high);
  if (std::isnan(value)) refuse(key, "NaN", "a number");
  return value;
}

double real_or_nan(const Json& object, const std::string& key, double low, double high) {
  return in_range(member(object, key), key, low, high);
}

std::vector<double> reals_or_nan(const Json& object, const std::string& key, double low, double high) {
  std::vector<double> values;
  for (const Json& value : list_at(object, key)) values.push_back(in_range(value, key, low, high));
  return values;
}

}  // namespace voxgrad::apps

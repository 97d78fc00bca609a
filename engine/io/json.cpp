#include "engine/io/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/error.h"

namespace voxgrad {
namespace {

constexpr std::size_t kLongestKeyShown = 40;  // in bytes; keys from a file may be too long for a message

void append_utf8(std::string& out, unsigned code) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12), tail(6), tail(0);
  }
}

class Parser {
 public:
  Parser(std::string_view text, int depth) : text_(text), depth_(depth) {}

  JsonValue run() {
    JsonValue value = parse_value(0);
    skip_spaces();
    if (at_ < text_.size()) fail("expected the end after the value");
    return value;
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail_at(std::size_t where, const Parts&... parts) const {
    const std::string_view before = text_.substr(0, where);
    throw Error(ErrorKind::data, text("line ", 1 + std::count(before.begin(), before.end(), '\n'), ", byte ", where + 1,
                                      ": ", parts...));
  }
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    fail_at(at_, parts...);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char wanted) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void require(char wanted) {
    if (!take(wanted)) fail("expected '", wanted, "'");
  }

  JsonValue parse_value(int depth) {
    skip_spaces();
    if (depth > depth_) fail("nested too deep, in more than ", depth_, " arrays and objects");
    switch (peek()) {
      case '{': return parse_object(depth);
      case '[': return parse_array(depth);
      case '"': return JsonValue(parse_string());
      case 't': return parse_word("true", JsonValue(true));
      case 'f': return parse_word("false", JsonValue(false));
      case 'n': return parse_word("null", JsonValue());
      default: return parse_number();
    }
  }

  JsonValue parse_word(std::string_view word, JsonValue value) {
    if (text_.substr(at_, word.size()) != word) fail("expected a value");
    at_ += word.size();
    return value;
  }

  JsonValue parse_array(int depth) {
    JsonValue::Array values;
    require('[');
    if (take(']')) return JsonValue(std::move(values));
    do values.push_back(parse_value(depth + 1));
    while (take(','));
    if (!take(']')) fail("expected ',' or ']'");
    return JsonValue(std::move(values));
  }

  JsonValue parse_object(int depth) {
    JsonValue::Object members;
    std::vector<std::size_t> positions;  // where each key begins
    require('{');
    if (take('}')) return JsonValue(std::move(members));
    do {
      skip_spaces();
      positions.push_back(at_);
      if (peek() != '"') fail("expected a key in quotes");
      std::string key = parse_string();
      require(':');
      members.emplace_back(std::move(key), parse_value(depth + 1));
    } while (take(','));
    if (!take('}')) fail("expected ',' or '}'");
    require_distinct(members, positions);
    return JsonValue(std::move(members));
  }

  // Sorts the keys, because some keys could make a hash table slow, but not a sort.
  void require_distinct(const JsonValue::Object& members, const std::vector<std::size_t>& positions) const {
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int compared = members[a].first.compare(members[b].first);
      return compared != 0 ? compared < 0 : a < b;
    });
    const auto twice = std::adjacent_find(
        order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return members[a].first == members[b].first; });
    if (twice == order.end()) return;
    const std::string& key = members[*twice].first;
    fail_at(positions[*(twice + 1)], "the key ",
            key.size() <= kLongestKeyShown ? json_string(key) : text("of ", key.size(), " bytes"), " twice");
  }

  std::string parse_string() {
    std::string result;
    for (++at_; peek() != '"';) {
      // Most characters are copied as they are, many in one step.
      std::size_t plain = at_;
      while (plain < text_.size() && text_[plain] >= ' ' && text_[plain] <= '~' && text_[plain] != '"' &&
             text_[plain] != '\\')
        ++plain;
      result.append(text_, at_, plain - at_);
      at_ = plain;
      if (at_ >= text_.size()) fail("the string does not end");
      if (text_[at_] == '"') break;
      if (text_[at_] == '\\') {
        parse_escape(result);
        continue;
      }
      if (static_cast<unsigned char>(text_[at_]) < ' ') fail("a control character in a string");
      const std::size_t length = character_length(text_.substr(at_));
      if (length == 0) fail("a string that is no UTF-8");
      result.append(text_, at_, length);
      at_ += length;
    }
    ++at_;
    return result;
  }

  void parse_escape(std::string& result) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t begin = at_++;
    if (const std::size_t index = kNames.find(peek()); index != std::string_view::npos && at_ < text_.size()) {
      result += kMeanings[index];
      ++at_;
      return;
    }
    unsigned code = parse_unit(begin);
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a surrogate pair
      const unsigned second = text_.substr(at_, 1) == "\\" ? (++at_, parse_unit(begin)) : 0;
      if (second < 0xDC00 || second >= 0xE000) fail_at(begin, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      fail_at(begin, "half of a surrogate pair");
    }
    append_utf8(result, code);
  }

  // Reads u and four hexadecimal digits, which follow a backslash.
  unsigned parse_unit(std::size_t begin) {
    const std::string_view digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
    unsigned code = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (peek() != 'u' || digits.size() < 4 || error != std::errc{} || end != digits.data() + 4)
      fail_at(begin, "an escape that JSON does not know");
    at_ += 5;
    return code;
  }

  std::size_t skip_digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - begin;
  }

  JsonValue parse_number() {
    const std::size_t begin = at_;
    const bool negative = peek() == '-';
    at_ += negative ? 1 : 0;
    const std::size_t first = at_, digits = skip_digits();
    if (digits == 0) fail_at(begin, "expected a value");
    if (digits > 1 && text_[first] == '0') fail_at(begin, "a number that begins with 0");
    bool whole = true;
    if (peek() == '.') {
      whole = false;
      ++at_;
      if (skip_digits() == 0) fail("expected a digit behind the point");
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (skip_digits() == 0) fail("expected a digit of the exponent");
    }
    const char *from = text_.data() + begin, *to = text_.data() + at_;
    const auto read = [&](auto& value) { return std::from_chars(from, to, value).ec == std::errc{}; };
    std::int64_t integer = 0;
    std::uint64_t natural = 0;
    double number = 0;
    if (whole && read(integer) && !(negative && integer == 0)) return JsonValue(integer);
    if (whole && !negative && read(natural)) return JsonValue(natural);
    if (!read(number)) fail_at(begin, "a number that double does not hold");
    return JsonValue(number);
  }

  std::string_view text_;
  int depth_;
  std::size_t at_ = 0;
};

void write(const JsonValue& value, std::string& out) {
  std::array<char, 32> buffer;
  const auto digits = [&](auto number) -> std::string {
    return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr};
  };
  const auto list = [&](char open, const auto& items, char close, const auto& item) {
    out += open;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ',';
      item(items[i]);
    }
    out += close;
  };
  if (const auto* string = value.string()) {
    out += json_string(*string);
  } else if (const auto* array = value.array()) {
    list('[', *array, ']', [&](const JsonValue& item) { write(item, out); });
  } else if (const auto* object = value.object()) {
    list('{', *object, '}', [&](const auto& member) {
      out += json_string(member.first) + ':';
      write(member.second, out);
    });
  } else if (const auto boolean = value.boolean()) {
    out += *boolean ? "true" : "false";
  } else if (const auto integer = value.integer()) {
    out += digits(*integer);
  } else if (const auto natural = value.natural()) {
    out += digits(*natural);
  } else if (const auto number = value.number()) {
    check(std::isfinite(*number), "json: ", *number, " cannot be written as a number");
    const std::string shortest = digits(*number);
    out += shortest;
    if (shortest.find_first_of(".e") == std::string::npos) out += ".0";
  } else {
    out += "null";
  }
}

}  // namespace

std::optional<bool> JsonValue::boolean() const {
  const bool* value = std::get_if<bool>(&value_);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::int64_t> JsonValue::integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<std::uint64_t>(&value_); value != nullptr && *value >> 63 == 0)
    return static_cast<std::int64_t>(*value);
  return std::nullopt;
}

std::optional<std::uint64_t> JsonValue::natural() const {
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_); value != nullptr && *value >= 0)
    return static_cast<std::uint64_t>(*value);
  return std::nullopt;
}

std::optional<double> JsonValue::number() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  return std::nullopt;
}

const JsonValue* JsonValue::find(std::string_view key) const {
  if (object() == nullptr) return nullptr;
  for (const auto& [name, value] : *object())
    if (name == key) return &value;
  return nullptr;
}

std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  // The range of the second byte, without overlong forms, surrogates and code points beyond the last.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (length == 0 || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return length;
}

JsonValue parse_json(std::string_view text, int depth) { return Parser(text, depth).run(); }

std::string to_text(const JsonValue& value) {
  std::string out;
  write(value, out);
  return out;
}

std::string json_string(std::string_view text) {
  constexpr std::string_view kMeanings = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    check(length > 0, "json: a string is no UTF-8");
    if (const std::size_t index = kMeanings.find(text[0]); index != std::string_view::npos) {
      out += {'\\', kNames[index]};
    } else if (static_cast<unsigned char>(text[0]) < ' ') {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out += "\\u00";
      out += {kDigits[static_cast<std::size_t>(text[0] >> 4)], kDigits[static_cast<std::size_t>(text[0] & 15)]};
    } else {
      out.append(text, 0, length);
    }
    text.remove_prefix(length);
  }
  return out + '"';
}

}  // namespace voxgrad

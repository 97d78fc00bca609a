// JSON (RFC 8259) for headers and metadata of files: a strict reader whose time is linear, and a writer. Files come
// from strangers, so the reader refuses everything that the standard leaves open: equal keys in one object, nesting
// without end, numbers that no type holds, and text that is not UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace voxgrad {

// A value, which owns the values inside it. It can be moved, but not copied.
class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<std::pair<std::string, JsonValue>>;  // in the order of the text; keys are distinct

  JsonValue() = default;  // null
  explicit JsonValue(bool value) : value_(value) {}
  explicit JsonValue(std::int64_t value) : value_(value) {}
  explicit JsonValue(std::uint64_t value) : value_(value) {}
  explicit JsonValue(double value) : value_(value) {}
  explicit JsonValue(std::string value) : value_(std::make_unique<std::string>(std::move(value))) {}
  explicit JsonValue(Array value) : value_(std::make_unique<Array>(std::move(value))) {}
  explicit JsonValue(Object value) : value_(std::make_unique<Object>(std::move(value))) {}

  // The value as this type, or nullopt or nullptr if it has another type.
  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  std::optional<bool> boolean() const;
  // A number without fraction and exponent, if the type holds it: -1 is an integer only, 2^63 a natural number only.
  std::optional<std::int64_t> integer() const;
  std::optional<std::uint64_t> natural() const;
  std::optional<double> number() const;  // any number; a large whole one is rounded
  const std::string* string() const { return pointer<std::string>(); }
  const Array* array() const { return pointer<Array>(); }
  const Object* object() const { return pointer<Object>(); }
  // The member of an object; nullptr if there is none or this is no object. The search is linear.
  const JsonValue* find(std::string_view key) const;

 private:
  template <class T>
  const T* pointer() const {
    const auto* owner = std::get_if<std::unique_ptr<T>>(&value_);
    return owner != nullptr ? owner->get() : nullptr;
  }
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::unique_ptr<std::string>,
               std::unique_ptr<Array>, std::unique_ptr<Object>>
      value_;
};

// Reads the whole `text` as one value. At most `depth` arrays and objects may contain each other. Error(data) with the
// line and the byte, both counted from 1, and what was expected there. Whole numbers are exact: they become i64 if it
// holds them, else u64, else double. A number that double cannot hold is an error.
JsonValue parse_json(std::string_view text, int depth = 64);

// Writes a value without spaces. A number becomes the shortest text that is read back as the same bits; a double has a
// point or an exponent. Error(argument) for NaN, infinities and strings that are not UTF-8.
std::string to_text(const JsonValue& value);
// The number of bytes of the character that `text` begins with; 0 if it is not valid UTF-8.
std::size_t character_length(std::string_view text);
// A string in quotes, with as few escapes as the standard allows. Error(argument) if it is not UTF-8.
std::string json_string(std::string_view text);

}  // namespace voxgrad

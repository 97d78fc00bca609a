// Values of JSON that came from a file. They are checked for their type and range where they are read, so that nothing
// behind has to expect -1 voxels or 10^308 epochs. All functions throw Error(data) that names the key and shows the
// value.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "apps/program/json.h"
#include "engine/error.h"

namespace voxgrad::apps {

// Limits of what a training can have. Sums and products of a few of them fit.
inline constexpr double kMostSeconds = 1e10;
inline constexpr std::int64_t kMostMemory = 1'000'000'000'000'000, kMostOfImage = kMostMemory,
                              kMostCount = 1'000'000'000;
inline constexpr std::int64_t kLargestWhole = std::numeric_limits<std::int64_t>::max();

// Returns the member `key` of an object, of any type.
const Json& member(const Json& object, const std::string& key);
std::string text_at(const Json& object, const std::string& key);
bool flag_at(const Json& object, const std::string& key);
const Json& list_at(const Json& object, const std::string& key);
const Json& object_at(const Json& object, const std::string& key);
std::vector<std::string> texts_at(const Json& object, const std::string& key);
// The same, or `otherwise` of a key that is absent, because an earlier version did not write it.
std::string text_or(const Json& object, const std::string& key, const std::string& otherwise);
bool flag_or(const Json& object, const std::string& key, bool otherwise);
std::vector<std::string> texts_or_none(const Json& object, const std::string& key);
// A whole number in `low` .. `high`.
std::int64_t whole_number(const Json& object, const std::string& key, std::int64_t low = 0,
                          std::int64_t high = kLargestWhole);
std::uint64_t seed_number(const Json& object, const std::string& key);  // any that 64 bits hold
// A number in `low` .. `high`; infinities are texts (number()).
double real_number(const Json& object, const std::string& key, double low = -HUGE_VAL, double high = HUGE_VAL);
// The same, or NaN, which stands for an unknown number; and a list of those.
double real_or_nan(const Json& object, const std::string& key, double low = -HUGE_VAL, double high = HUGE_VAL);
std::vector<double> reals_or_nan(const Json& object, const std::string& key, double low = -HUGE_VAL,
                                 double high = HUGE_VAL);

// Throws Error(data): "`key` is VALUE, must be EXPECTED".
[[noreturn]] void refuse(const std::string& key, const Json& value, const std::string& expected);
// Reads a document. Throws Error(data) that says where it is damaged, also if it is nested in more than 64 arrays and
// objects, or has an object of more than 1,024 members. All JSON of files is read with it, or with what follows.
Json parse_json(const std::string& document);
// The same, or null of a document that is damaged.
Json json_or_null(const std::string& document);
// What the library says of an error, without its own name for it: "[json.exception.parse_error.101] ".
std::string plain_words(const Json::exception& error);

// Returns read(). Whatever is wrong with the contents of the file becomes an error of this kind that names it.
template <class F>
decltype(auto) reading(const std::string& path, ErrorKind kind, F&& read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    throw Error(kind, path + ": " + plain_words(error), "the file is damaged");
  } catch (const Error& error) {
    const bool contents = error.kind() != ErrorKind::io && error.kind() != ErrorKind::memory;
    if (!contents || error.message().starts_with(path)) throw;
    throw Error(kind, path + ": " + error.message(), error.hint().empty() ? "the file is damaged" : error.hint());
  }
}

}  // namespace voxgrad::apps

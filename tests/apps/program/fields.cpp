// Values of JSON files: what is read, and what is refused before the JSON library sees it.
#include "apps/program/fields.h"

#include "tests/test.h"

using namespace voxgrad;
using namespace voxgrad::apps;
using test::contains;
using test::error_of;

namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string members(int count, const std::string& value) {
  std::string object = "{";
  for (int i = 0; i < count; ++i) object += text(i == 0 ? "" : ",", "\"", i, "\":", value);
  return object + "}";
}

}  // namespace

TEST_CASE("JSON is read up to 64 nested lists and 1,024 members, and refused beyond") {
  CHECK(parse_json(nested(64)).is_array());
  CHECK(contains(error_of([] { parse_json(nested(65)); }), "nested too deep, in more than 64"));
  CHECK(contains(error_of([] { parse_json(nested(10'000'000)); }), "nested too deep"));
  CHECK(contains(error_of([] { parse_json("{\"a\":" + nested(64) + "}"); }), "nested too deep"));
  CHECK(parse_json(members(1024, "0")).size() == 1024);
  CHECK(contains(error_of([] { parse_json(members(1025, "0")); }), "more than 1024 members"));
  // Members are counted for each object, and a list may be as long as it likes.
  CHECK(parse_json(members(1000, members(2, "[{}]"))).size() == 1000);
  std::string list = "[0";
  for (int i = 0; i < 5000; ++i) list += ",{\"a\":0}";
  CHECK(parse_json(list + "]").size() == 5001);
}

TEST_CASE("brackets and colons in texts do not count, whatever is escaped there") {
  const std::string brackets(100, '['), colons(2000, ':');
  CHECK(parse_json(R"({"a\\":"\"[)" + brackets + colons + R"(\\","b":"{"})")["b"] == "{");
  CHECK(contains(error_of([&] { parse_json(R"({"a":"\\",)" + brackets); }), "nested too deep"));
}

TEST_CASE("what is no JSON is refused in the words of the library, or null") {
  for (const char* damaged : {"", "{", "]", "}}", "[1,]", "\"", "\"\\", "{\"a\":1e999}", "nul"}) {
    CHECK_MESSAGE(!error_of([&] { parse_json(damaged); }).empty(), damaged);
    CHECK_MESSAGE(json_or_null(damaged).is_null(), damaged);
  }
  CHECK(contains(error_of([] { parse_json("]"); }), "parse error"));
  CHECK(json_or_null(nested(1'000'000)).is_null());
  CHECK(json_or_null("[1]").size() == 1);
}

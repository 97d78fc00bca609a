// The reader of JSON: what is accepted, what is refused and where, linear time; what is written is read back.
#include "engine/io/json.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/random.h"
#include "tests/test.h"

using namespace voxgrad;
using test::contains;
using test::error_of;

namespace {

std::string again(const std::string& json) { return to_text(parse_json(json)); }
std::string refusal(const std::string& json, int depth = 64) {
  return error_of([&] { parse_json(json, depth); });
}

}  // namespace

TEST_CASE("values of every kind come back") {
  CHECK(parse_json("null").is_null());
  CHECK(parse_json(" true ").boolean() == true);
  CHECK(parse_json("false").boolean() == false);
  CHECK(*parse_json("\"a b\"").string() == "a b");
  CHECK(parse_json("[1, [2], {}]").array()->size() == 3);
  const JsonValue object = parse_json("{\"b\": 1, \"a\": {\"c\": []}}");
  CHECK(object.object()->front().first == "b");
  CHECK(object.find("a")->find("c")->array()->empty());
  CHECK(object.find("x") == nullptr);
  CHECK(parse_json("3").find("x") == nullptr);
  CHECK(parse_json("3").string() == nullptr);
  CHECK(again(" { \"b\" :\t[ 1 ,\r\n-2.5 , null ] , \"a\" : { } } ") == "{\"b\":[1,-2.5,null],\"a\":{}}");
}

TEST_CASE("numbers stay what they are") {
  const auto value = [](const char* json) { return parse_json(json); };
  CHECK(value("0").integer() == 0);
  CHECK(value("-9223372036854775808").integer() == std::numeric_limits<std::int64_t>::min());
  CHECK(!value("-9223372036854775808").natural());
  CHECK(value("9223372036854775807").natural() == 9223372036854775807u);
  CHECK(value("18446744073709551615").natural() == std::numeric_limits<std::uint64_t>::max());
  CHECK(!value("18446744073709551615").integer());
  CHECK(!value("18446744073709551616").natural());
  CHECK(value("18446744073709551616").number() == 18446744073709551616.0);
  CHECK(!value("1.0").integer());
  CHECK(!value("1e2").natural());
  CHECK(value("1e2").number() == 100.0);
  CHECK(value("7").number() == 7.0);
  CHECK(std::signbit(*value("-0").number()));
  CHECK(value("4.9e-324").number() == std::numeric_limits<double>::denorm_min());
  for (const char* wrong : {"01", "-01", "+1", ".5", "1.", "1.e2", "1e", "1e+", "-", "0x1", "1e999", "-1e999", "NaN",
                            "Infinity", "1_0", "1,", "--1", "1e5.5"})
    CHECK_MESSAGE(!refusal(wrong).empty(), wrong);
}

TEST_CASE("every double is written as the shortest text that is the same double") {
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random.fork(static_cast<std::uint64_t>(i)).key();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const std::string json = to_text(JsonValue(value));
    const double read = *parse_json(json).number();
    CHECK_MESSAGE(std::memcmp(&read, &value, sizeof value) == 0, json);
    CHECK_MESSAGE(!parse_json(json).integer(), json);  // a double stays one
  }
  CHECK(to_text(JsonValue(0.1)) == "0.1");
  CHECK(to_text(JsonValue(3.0)) == "3.0");
  CHECK(to_text(JsonValue(-0.0)) == "-0.0");
  CHECK(to_text(JsonValue(std::int64_t{-3})) == "-3");
  CHECK(to_text(JsonValue(~std::uint64_t{0})) == "18446744073709551615");
  CHECK(contains(error_of([] { to_text(JsonValue(std::nan(""))); }), "cannot be written"));
  CHECK(contains(error_of([] { to_text(JsonValue(HUGE_VAL)); }), "cannot be written"));
}

TEST_CASE("strings: escapes, surrogate pairs, UTF-8") {
  CHECK(*parse_json(R"("\"\\\/\b\f\n\r\t")").string() == "\"\\/\b\f\n\r\t");
  CHECK(*parse_json(R"("\u0041\u00fc\u20AC\ud83d\ude00")").string() == "A\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(parse_json(R"("\u0000")").string()->size() == 1);
  const std::string all = "\x01\x1f \"\\/\b\f\n\r\t\x7f\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80";
  CHECK(json_string(all) == "\"\\u0001\\u001f \\\"\\\\/\\b\\f\\n\\r\\t\x7f\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  CHECK(*parse_json(json_string(all)).string() == all);
  for (const char* wrong : {R"("\x")", R"("\u12")", R"("\u12g4")", R"("\ud800")", R"("\ud800\u0041")", R"("\udc00")",
                            R"("\)", R"("\u)", R"("a)", "\"\n\"", "\"\xC3\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
                            "\"\xF4\x90\x80\x80\"", "\"\xE0\x80\x80\"", "\"\x80\"", "\"\xFF\""})
    CHECK_MESSAGE(!refusal(wrong).empty(), wrong);
  CHECK(contains(error_of([] { json_string("\xC3"); }), "no UTF-8"));
}

TEST_CASE("refusals name the line and the byte") {
  CHECK(contains(refusal("{\"a\": 1,\n \"b\": }"), "line 2, byte 16: expected a value"));
  CHECK(contains(refusal("{\"a\": 1,\n \"a\": 2}"), "line 2, byte 11: the key \"a\" twice"));
  CHECK(contains(refusal("[1 2]"), "byte 4: expected ',' or ']'"));
  CHECK(contains(refusal("{\"a\" 1}"), "byte 6: expected ':'"));
  CHECK(contains(refusal("{a: 1}"), "byte 2: expected a key"));
  CHECK(contains(refusal("1 1"), "byte 3: expected the end"));
  CHECK(contains(refusal("nul"), "byte 1: expected a value"));
  for (const char* wrong : {"", " ", "[", "]", "{", "}", "[1,]", "{\"a\":1,}", "[,1]", "{,}", "'a'", "tru", "[1}",
                            "// a", "\"a\" \"b\"", "{\"a\"}", "{1:2}", "\xEF\xBB\xBF{}"})
    CHECK_MESSAGE(!refusal(wrong).empty(), wrong);
  CHECK(!refusal(std::string("1\0", 2)).empty());
}

TEST_CASE("the depth counts the arrays and objects around a value") {
  CHECK(refusal("[[[]]]", 2).empty());
  CHECK(contains(refusal("[[[1]]]", 2), "nested too deep, in more than 2"));
  CHECK(refusal("1", 0).empty());
  CHECK(!refusal("[1]", 0).empty());
  CHECK(contains(refusal(std::string(1 << 20, '[')), "nested too deep"));
}

TEST_CASE("equal keys are found among many, in linear time") {
  std::string json = "{";
  for (int i = 0; i < 200000; ++i) json += text("\"key ", i, "\":", i, ",");
  const auto start = std::chrono::steady_clock::now();
  CHECK(parse_json(json + "\"last\":0}").object()->size() == 200001);
  CHECK(contains(refusal(json + "\"key 77777\":0}"), "the key \"key 77777\" twice"));
  CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < 10);
}

TEST_CASE("random damage gives an Error or a value, never anything else") {
  const std::string good =
      R"({"a":[1,-2.5e3,true,null,"x\u00fc\n"],"b":{"c":{}, "d":[[],[{}]]},"e":18446744073709551615})";
  Random random(5);
  int refused = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string damaged = good;
    for (std::int64_t i = random.below(4) + 1; i > 0; --i) {
      const std::size_t at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(damaged.size())));
      const std::int64_t kind = random.below(3);
      if (kind == 0) damaged[at] = static_cast<char>(random.below(256));
      if (kind == 1) damaged.erase(at, 1);
      if (kind == 2) damaged.insert(at, 1, "{}[]\",:0e9\\u"[random.below(12)]);
    }
    try {
      const JsonValue value = parse_json(damaged);
      CHECK(again(to_text(value)) == to_text(value));
    } catch (const Error& error) {
      ++refused;
      CHECK(error.kind() == ErrorKind::data);
    }
  }
  CHECK(refused > 10000);
}

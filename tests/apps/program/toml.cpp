// Flat TOML: what people write, what the program writes, and what is refused.
#include "apps/program/toml.h"

#include "tests/test.h"

using namespace voxgrad::apps;
using voxgrad::test::contains;
using voxgrad::test::error_of;
using Words = std::vector<std::string>;

namespace {

Words value_of(const std::string& toml) {
  const auto settings = read_flat_toml(toml);
  REQUIRE(settings.size() == 1);
  CHECK(settings[0].name == "name");
  return settings[0].words;
}

}  // namespace

TEST_CASE("every text is read as it was written") {
  for (const std::string text :
       {"", "a", "C:\\temp\\new.h5", "\\\\server\\share", "a\"b", "it's", "line\nline", "tab\t", "\r", "#1", "[x], y",
        " blanks ", "a = b", "\xc3\xbc \xe4\xb8\xad.h5", "true", "1e3", "\x01"}) {
    CHECK(value_of("name = " + toml_text(text) + "  # a comment\n") == Words{text});
    CHECK(value_of("name = [" + toml_text(text) + ", " + toml_text(text) + "]") == Words{text, text});
  }
}

TEST_CASE("numbers, switches, lists, comments and line ends of other systems") {
  const auto settings = read_flat_toml(
      "# first\r\n\r\nbase = 4\r\n  rate=1e-3 # small\r\nresidual = true\n"
      "files = [ 'C:\\a.h5', # one\n  \"b\\u00e4\" ,\n 3 ]\nnone = []");
  REQUIRE(settings.size() == 5);
  CHECK(settings[0] == TomlSetting{"base", {"4"}, 3});
  CHECK(settings[1] == TomlSetting{"rate", {"1e-3"}, 4});
  CHECK(settings[2] == TomlSetting{"residual", {"true"}, 5});
  CHECK(settings[3] == TomlSetting{"files", {"C:\\a.h5", "b\xc3\xa4", "3"}, 6});
  CHECK(settings[4] == TomlSetting{"none", {}, 9});
  CHECK(read_flat_toml("").empty());
  CHECK(value_of("\xEF\xBB\xBFname = 3") == Words{"3"});  // as editors begin a file
}

TEST_CASE("what cannot be read is refused with its line") {
  for (const char* wrong :
       {"name", "= 3", "name =", "name = \"a", "name = 'a", "name = \"a\" b", "name = [1", "name = [1 2",
        "name = [\"a\" \"b\"]", "[train]\nbase = 3", "name = \"a\nb\"", "name = [,]", "name = \"a\\", "name = a#b"})
    CHECK_MESSAGE(contains(error_of([&] { read_flat_toml(std::string("\nx = 1\n") + wrong); }), "--config: line 3"),
                  wrong);
  const std::string path = error_of([] { read_flat_toml("data = \"C:\\data\\x.h5\""); });
  CHECK_MESSAGE(contains(path, "cannot read \"C:\\data\\x.h5\""), path);
  CHECK_MESSAGE(contains(path, "'single quotes'"), path);
  CHECK(contains(error_of([] { toml_text("bad\xff.h5"); }), "not a text in UTF-8"));
}

#include "apps/program/toml.h"

#include <algorithm>

#include "apps/program/json.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& toml) : toml_(toml), at_(toml.starts_with("\xEF\xBB\xBF") ? 3 : 0) {}

  std::vector<TomlSetting> settings() {
    std::vector<TomlSetting> found;
    for (skip_lines(); at_ < toml_.size(); skip_lines()) {
      const std::string name = bare("=");
      if (next() != '=' || name.empty() || name.front() == '[') fail("expected `name = value`");
      ++at_;
      found.push_back({name, value(), line()});
      skip_blanks();
      if (at_ < toml_.size() && next() != '\n') fail("expected the end of the line");
    }
    return found;
  }

 private:
  std::int64_t line() const {
    return 1 + std::count(toml_.begin(), toml_.begin() + static_cast<std::ptrdiff_t>(begin_), '\n');
  }
  [[noreturn]] void fail(const std::string& what, const std::string& hint = "") const {
    throw Error(ErrorKind::usage, text("--config: line ", line(), ": ", what),
                hint.empty() ? "`--dump-config` prints the settings of a verb in this form" : hint);
  }
  char next() const { return at_ < toml_.size() ? toml_[at_] : '\0'; }
  void skip_blanks() {
    while (next() == ' ' || next() == '\t' || next() == '\r') ++at_;
    if (next() == '#') at_ = std::min(toml_.find('\n', at_), toml_.size());
  }
  void skip_lines() {
    for (skip_blanks(); next() == '\n'; skip_blanks()) ++at_;
    begin_ = at_;
  }
  // All up to the end of the line, a comment or one of these characters, without the blanks at its end.
  std::string bare(const std::string& ends) {
    skip_blanks();
    const std::size_t end = std::min(toml_.find_first_of(ends + "#\n", at_), toml_.size());
    std::string word = toml_.substr(at_, end - at_);
    word.erase(word.find_last_not_of(" \t\r") + 1);
    at_ = end;
    return word;
  }

  std::vector<std::string> value() {
    skip_blanks();
    if (next() != '[') return {word("")};
    std::vector<std::string> words;
    for (++at_, skip_elements(); next() != ']'; skip_elements()) {
      words.push_back(word(",]"));
      skip_elements();
      if (next() == ',')
        ++at_;
      else if (next() != ']')
        fail("expected `,` or `]` in a list");
    }
    ++at_;
    return words;
  }
  void skip_elements() {  // a list may go on in further lines
    for (skip_blanks(); next() == '\n'; skip_blanks()) ++at_;
  }

  std::string word(const std::string& ends) {
    const char quote = next();
    if (quote != '"' && quote != '\'') {
      const std::string found = bare(ends);
      if (found.empty()) fail("no value");
      if (next() == '#' && toml_[at_ - 1] != ' ' && toml_[at_ - 1] != '\t' &&
          found.find_first_not_of("+-.0123456789e") != std::string::npos)
        fail("a # in a text without quotes; write the text in quotes, or a blank before the comment");
      return found;
    }
    const std::size_t first = at_;
    for (++at_; next() != quote; ++at_) {
      if (at_ >= toml_.size() || next() == '\n') fail("a text without its closing quote");
      if (quote == '"' && next() == '\\') ++at_;
    }
    ++at_;
    if (quote == '\'') return toml_.substr(first + 1, at_ - first - 2);
    const Json parsed = Json::parse(toml_.substr(first, at_ - first), nullptr, false);  // the same escapes
    if (!parsed.is_string())
      fail("cannot read " + toml_.substr(first, std::min<std::size_t>(at_ - first, 80)),
           R"(write a backslash as \\, or the text in 'single quotes')");
    return parsed.get<std::string>();
  }

  const std::string& toml_;
  std::size_t at_, begin_ = 0;  // begin_: of the setting that is being read
};

}  // namespace

std::vector<TomlSetting> read_flat_toml(const std::string& toml) { return Reader(toml).settings(); }

std::string toml_text(const std::string& value) {
  try {
    return Json(value).dump();
  } catch (const Json::exception&) {
    throw Error(ErrorKind::usage, "not a text in UTF-8: " + dumped(value), "rename the file or folder");
  }
}

}  // namespace voxgrad::apps

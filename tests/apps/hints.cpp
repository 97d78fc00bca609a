// ctest labels: unsanitized
// Every verb and every flag that a string of the sources names is one that the program has: nobody is sent to
// `voxgrad something` that is not there. Every loss with parameters that a string advises can be made.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "losses/core/loss.h"
#include "tests/apps/support.h"

using namespace voxgrad;
using namespace voxgrad::test;

namespace {

using Names = std::set<std::string>;

// The matches of the first group of an expression.
std::vector<std::string> matches(const std::string& text, const std::string& expression) {
  const std::regex regex(expression);
  std::vector<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i) found.push_back((*i)[1]);
  return found;
}

// A name that ends with a hyphen is completed elsewhere; colours of a style sheet are no flags.
Names flags_in(const std::string& text) {
  Names flags;
  for (const std::string& flag : matches(text, "(?:^|[^-a-z(])(--[a-z][a-z0-9-]*)"))
    if (!flag.ends_with('-')) flags.insert(flag);
  return flags;
}

// The verbs of the program ("train", "losses eval") with their flags; "" has the flags of all verbs.
class Known {
 public:
  Known() { add(""); }
  bool verb(const std::string& name) const { return flags_.contains(name); }
  bool flag(const std::string& verb, const std::string& name) const {
    return flags_.at(verb).contains(name) || flags_.at("").contains(name);
  }
  bool flag_of_any(const std::string& name) const {
    for (const auto& [verb, flags] : flags_)
      if (flags.contains(name)) return true;
    return false;
  }
  std::size_t size() const { return flags_.size(); }

 private:
  void add(const std::string& verb) {
    std::vector<std::string> words = matches(verb, "([a-z]+)");
    words.push_back("--help");
    const Outcome help = program(words);
    REQUIRE_MESSAGE(help.code == 0, help.err);
    flags_[verb] = flags_in(help.out);
    const std::size_t verbs = help.out.find("SUBCOMMANDS:") != std::string::npos ? help.out.find("SUBCOMMANDS:")
                                                                                 : help.out.find("Subcommands:");
    if (verbs == std::string::npos) return;
    for (const std::string& name : matches(help.out.substr(verbs), "\n  ([a-z]+) "))
      add(verb.empty() ? name : verb + " " + name);
  }
  std::map<std::string, Names> flags_;
};

// The literals of a source without escapes; adjacent ones are one. Raw strings hold style sheets and are left out.
std::vector<std::string> literals(const std::string& source) {
  std::vector<std::string> found;
  bool joined = false;
  // The place of `what` from `at` on, or the end.
  const auto next = [&](const std::string& what, std::size_t at) {
    return std::min(source.find(what, at), source.size());
  };
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool in_number = i > 0 && std::isxdigit(static_cast<unsigned char>(source[i - 1])) != 0;
    if (source.compare(i, 2, "//") == 0) {
      i = next("\n", i);
    } else if (source.compare(i, 3, "R\"(") == 0) {
      i = next(")\"", i) + 1;
    } else if (source[i] == '\'' && !in_number) {  // else it separates digits
      i = next("'", i + (source.compare(i + 1, 1, "\\") == 0 ? 3 : 1));
    } else if (source[i] == '"') {
      std::string text;
      for (++i; i < source.size() && source[i] != '"'; ++i) text += source[i] == '\\' ? (++i, ' ') : source[i];
      if (joined)
        found.back() += text;
      else
        found.push_back(text);
      joined = true;
    } else if (source[i] != ' ' && source[i] != '\n') {
      joined = false;
    }
  }
  return found;
}

// What the strings of a source name that the program does not have.
Names unknown_in(const std::string& source, const Known& known) {
  Names unknown;
  for (const std::string& text : literals(source)) {
    for (const std::string& flag : flags_in(text))
      if (!known.flag_of_any(flag)) unknown.insert(flag);
    // "voxgrad VERB [VERB] WORDS" up to the end of the quotation.
    for (const std::string& call : matches(text, "voxgrad ([a-z]+[^`]*)")) {
      std::string verb = matches(call, "^([a-z]+)")[0];
      const std::vector<std::string> two = matches(call, "^([a-z]+ [a-z]+)");
      if (!two.empty() && known.verb(two[0])) verb = two[0];
      if (!known.verb(verb))
        unknown.insert("voxgrad " + verb);
      else if (contains(text, "`voxgrad"))
        for (const std::string& flag : flags_in(call))
          if (!known.flag(verb, flag)) unknown.insert("voxgrad " + verb + " " + flag);
    }
  }
  return unknown;
}

}  // namespace

TEST_CASE("what the strings of the sources tell people to call is there") {
  const Known known;
  CHECK(known.size() > 12);
  int sources = 0;
  for (const char* folder : {"apps", "engine", "nn", "losses", "data"})
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(std::string(VOXGRAD_SOURCE_DIR) + "/" + folder)) {
      const std::string path = entry.path().string(), extension = entry.path().extension().string();
      if (extension != ".cpp" && extension != ".h" && extension != ".cu") continue;
      ++sources;
      for (const std::string& word : unknown_in(bytes_of(path), known)) CHECK_MESSAGE(false, path, ": ", word);
    }
  CHECK(sources > 150);
}

TEST_CASE("the losses with parameters that the strings of the sources advise can be made") {
  int found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(VOXGRAD_SOURCE_DIR) + "/apps")) {
    const std::string path = entry.path().string(), extension = entry.path().extension().string();
    if (extension != ".cpp" && extension != ".h") continue;
    for (const std::string& text : literals(bytes_of(path)))
      for (const std::string& loss : matches(text, "--loss ([a-z_+*0-9.]+:[a-z_]+=[a-z0-9./]*[a-z0-9])")) {
        ++found;
        const std::string problem = error_of([&] { return losses::make_loss(loss); });
        CHECK_MESSAGE(problem.empty(), path, ": ", problem);
      }
  }
  CHECK(found > 0);
}

TEST_CASE("a verb or a flag that is not there is found") {
  const Known known;
  CHECK(unknown_in("f(\"other layouts: `voxgrad convert`\");", known) == Names{"voxgrad convert"});
  CHECK(unknown_in("f(\"give \" + x + \"--colour red\");", known) == Names{"--colour"});
  CHECK(unknown_in("f(\"see `voxgrad train \"\n  \"--folds 3`\");", known) == Names{"voxgrad train --folds"});
  CHECK(unknown_in("f(\"`voxgrad losses eval SPEC --png P --seed 1`\"); // \"--colour\"", known).empty());
  CHECK(unknown_in("char c = '\"'; f(\"--no-\" + x, \"--seed\", \"var(--ink)\");", known).empty());
}

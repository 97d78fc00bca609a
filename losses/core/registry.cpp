#include "losses/core/registry.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "engine/names.h"
#include "losses/core/inputs.h"

namespace voxgrad::losses {
namespace {

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ErrorKind::usage, text(parts...));
}

double parse_number(const std::string& what, const Parameter& parameter, const std::string& written) {
  double value = 0;
  const char* end = written.data() + written.size();
  const auto [stop, error] = std::from_chars(written.data(), end, value);
  if (error != std::errc{} || stop != end || std::isnan(value)) refuse(what, ": \"", written, "\" is not a number");
  if (parameter.kind == Kind::integer && value != std::floor(value)) refuse(what, ": ", written, " is not an integer");
  if (value < parameter.low || value > parameter.high || std::isinf(value))
    refuse(what, ": ", written, " is outside ", shortest_text(parameter.low), "..", shortest_text(parameter.high));
  return value;
}

}  // namespace

std::string shortest_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

const char* name_of(Family family) {
  static const char* const names[] = {"distribution", "region", "boundary", "compound"};
  return names[static_cast<std::size_t>(family)];
}
const char* name_of(Kind kind) {
  static const char* const names[] = {"number", "integer", "switch", "choice", "list"};
  return names[static_cast<std::size_t>(kind)];
}

Parameter number(std::string name, double standard, double low, double high, std::string meaning) {
  return {std::move(name), Kind::number, shortest_text(standard), low, high, {}, std::move(meaning)};
}
Parameter integer(std::string name, int standard, int low, int high, std::string meaning) {
  return {std::move(name),           Kind::integer,
          std::to_string(standard),  static_cast<double>(low),
          static_cast<double>(high), {},
          std::move(meaning)};
}
Parameter flag(std::string name, bool standard, std::string meaning) {
  return {std::move(name), Kind::flag, standard ? "1" : "0", 0, 1, {}, std::move(meaning)};
}
Parameter choice(std::string name, std::vector<std::string> choices, std::string meaning) {
  std::string standard = choices.at(0);
  return {std::move(name), Kind::choice, std::move(standard), 0, 0, std::move(choices), std::move(meaning)};
}
Parameter list(std::string name, std::string standard, std::vector<std::string> words, double low, double high,
               std::string meaning) {
  return {std::move(name), Kind::list, std::move(standard), low, high, std::move(words), std::move(meaning)};
}
std::vector<Parameter> operator+(std::vector<Parameter> first, std::vector<Parameter> second) {
  std::move(second.begin(), second.end(), std::back_inserter(first));
  return first;
}

Parameters::Parameters(const std::string& loss, const std::vector<Parameter>& declared,
                       const std::vector<Setting>& settings)
    : loss_(loss) {
  std::vector<std::string> names, texts;
  for (const Parameter& parameter : declared) {
    names.push_back(parameter.name);
    texts.push_back(parameter.standard);
  }
  std::vector<bool> set(declared.size(), false);
  for (const auto& [name, written] : settings) {
    const std::size_t i = choose(voxgrad::text(loss, ": parameter"), name, names);
    if (set[i]) refuse(loss, ": ", name, " is given twice");
    set[i] = true;
    texts[i] = written;
  }
  for (std::size_t i = 0; i < declared.size(); ++i) values_.push_back(parse(declared[i], texts[i]));
}

Parameters::Value Parameters::parse(const Parameter& parameter, const std::string& written) const {
  const std::string what = voxgrad::text(loss_, ": ", parameter.name);
  const std::vector<std::string>& words = parameter.choices;
  Value value{parameter, written};
  switch (parameter.kind) {
    case Kind::number:
    case Kind::integer:
      value.number = parse_number(what, parameter, written);
      value.text = shortest_text(value.number);
      break;
    case Kind::flag:
      if (written != "0" && written != "1") refuse(what, " is a switch: 0 or 1, got \"", written, "\"");
      value.number = written == "1";
      break;
    case Kind::choice: value.word = words[choose(what, written, words)]; break;
    case Kind::list:
      if (!words.empty() && !written.empty() && std::isalpha(static_cast<unsigned char>(written[0]))) {
        value.word = words[choose(what, written, words)];
        break;
      }
      value.text.clear();
      for (std::size_t begin = 0; begin <= written.size();) {
        const std::size_t end = std::min(written.find('/', begin), written.size());
        value.list.push_back(parse_number(what, parameter, written.substr(begin, end - begin)));
        if (begin != 0) value.text += '/';
        value.text += shortest_text(value.list.back());
        begin = end + 1;
      }
      break;
  }
  return value;
}

const Parameters::Value& Parameters::value(const std::string& name, Kind kind) const {
  const auto found =
      std::find_if(values_.begin(), values_.end(), [&](const Value& v) { return v.parameter.name == name; });
  check(found != values_.end() && found->parameter.kind == kind, loss_, ": the loss declares no ", name_of(kind), " \"",
        name, "\"");
  return *found;
}

bool Parameters::has(const std::string& name) const {
  return std::any_of(values_.begin(), values_.end(), [&](const Value& v) { return v.parameter.name == name; });
}
double Parameters::number(const std::string& name) const { return value(name, Kind::number).number; }
int Parameters::integer(const std::string& name) const { return static_cast<int>(value(name, Kind::integer).number); }
bool Parameters::on(const std::string& name) const { return value(name, Kind::flag).number != 0; }
const std::string& Parameters::choice(const std::string& name) const { return value(name, Kind::choice).word; }
bool Parameters::is(const std::string& name, const std::string& word) const {
  const std::vector<std::string>& words = value(name, Kind::choice).parameter.choices;
  check(std::find(words.begin(), words.end(), word) != words.end(), loss_, ": \"", word, "\" is no choice of ", name);
  return choice(name) == word;
}
const std::vector<double>& Parameters::list(const std::string& name) const { return value(name, Kind::list).list; }
const std::string& Parameters::list_word(const std::string& name) const { return value(name, Kind::list).word; }

std::string Parameters::text() const {
  std::ostringstream result;
  for (const Value& v : values_) result << (&v == values_.data() ? "" : ",") << v.parameter.name << '=' << v.text;
  return std::move(result).str();
}

const std::vector<Spec>& registry() {
  static const std::vector<Spec> specs = [] {
    std::vector<Spec> all = all_specs();
    for (Spec& spec : all) spec.parameters = std::move(spec.parameters) + common::everywhere();
    std::sort(all.begin(), all.end(),
              [](const Spec& a, const Spec& b) { return std::tie(a.family, a.name) < std::tie(b.family, b.name); });
    return all;
  }();
  return specs;
}

const Spec& find_spec(const std::string& name) {
  std::vector<std::string> names;
  for (const Spec& spec : registry()) names.push_back(spec.name);
  return registry()[choose("loss", name, names)];
}

}  // namespace voxgrad::losses

#include "losses/core/parameters.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "engine/error.h"
#include "engine/names.h"

namespace voxgrad::losses {
namespace {

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ErrorKind::usage, text(parts...));
}

}  // namespace

std::string shortest_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

const char* name_of(Kind kind) {
  static const char* const names[] = {"number", "integer", "switch", "choice", "list"};
  return names[static_cast<std::size_t>(kind)];
}

bool Choice::is(const char* other) const {
  check(std::find(choices.begin(), choices.end(), other) != choices.end(), parameter, ": \"", other,
        "\" is not one of the choices");
  return word == other;
}

// The text that was set for the parameter, or its default.
std::string Parameters::declare(Parameter parameter) {
  declared_.push_back(std::move(parameter));
  const Parameter& added = declared_.back();
  const auto set =
      std::find_if(settings_.begin(), settings_.end(), [&](const Setting& s) { return s.first == added.name; });
  return set == settings_.end() ? added.standard : set->second;
}

// "dice: smooth_nr", the newest parameter, for messages.
std::string Parameters::place() const { return common_.loss + ": " + declared_.back().name; }

void Parameters::append_text(const std::string& value) {
  text_ += (text_.empty() ? "" : ",") + declared_.back().name + "=" + value;
}

double Parameters::parse_number(const std::string& written) const {
  const Parameter& parameter = declared_.back();
  double value = 0;
  const char* end = written.data() + written.size();
  const auto [stop, error] = std::from_chars(written.data(), end, value);
  if (error != std::errc{} || stop != end || std::isnan(value)) refuse(place(), ": \"", written, "\" is not a number");
  if (parameter.kind == Kind::integer && value != std::floor(value))
    refuse(place(), ": ", written, " is not an integer");
  if (value < parameter.low || value > parameter.high || std::isinf(value))
    refuse(place(), ": ", written, " is outside ", shortest_text(parameter.low), "..", shortest_text(parameter.high));
  return value;
}

double Parameters::read_number(Parameter parameter) {
  const double value = parse_number(declare(std::move(parameter)));
  append_text(shortest_text(value));
  return value;
}

const std::string& Parameters::read_word(const std::string& written) {
  const std::vector<std::string>& words = declared_.back().choices;
  append_text(written);
  return words[choose(place(), written, words)];
}

double Parameters::number(const char* name, double standard, double low, double high, const char* meaning) {
  return read_number({name, Kind::number, shortest_text(standard), low, high, {}, meaning});
}

int Parameters::integer(const char* name, int standard, int low, int high, const char* meaning) {
  const double from = low, to = high;
  return static_cast<int>(read_number({name, Kind::integer, std::to_string(standard), from, to, {}, meaning}));
}

bool Parameters::flag(const char* name, bool standard, const char* meaning) {
  const std::string written = declare({name, Kind::flag, standard ? "1" : "0", 0, 1, {}, meaning});
  if (written != "0" && written != "1") refuse(place(), " is a switch: 0 or 1, got \"", written, "\"");
  append_text(written);
  return written == "1";
}

Choice Parameters::choice(const char* name, Words choices, const char* meaning) {
  const std::string written =
      declare({name, Kind::choice, *choices.begin(), 0, 0, {choices.begin(), choices.end()}, meaning});
  return {place(), read_word(written), declared_.back().choices};
}

List Parameters::list(const char* name, Words words, double low, double high, const std::string& meaning) {
  const std::string written =
      declare({name, Kind::list, *words.begin(), low, high, {words.begin(), words.end()}, meaning});
  if (std::isalpha(static_cast<unsigned char>(written[0])) != 0) return {{}, read_word(written)};
  List value;
  std::string numbers;
  for (std::size_t begin = 0; begin <= written.size();) {
    const std::size_t end = std::min(written.find('/', begin), written.size());
    value.numbers.push_back(parse_number(written.substr(begin, end - begin)));
    numbers += (begin == 0 ? "" : "/") + shortest_text(value.numbers.back());
    begin = end + 1;
  }
  append_text(numbers);
  return value;
}

void Parameters::background(bool standard) {
  common_.background = flag("background", standard, "whether channel 0 counts (one sigmoid channel always does)");
}
void Parameters::batch(bool standard) {
  common_.batch = flag("batch", standard, "1: sums run over the whole batch, so a class absent from one image is fine");
}
void Parameters::pool_classes() {
  common_.pool_classes =
      flag("pool_classes", false, "1: sums run over the classes inside the ratio, as the survey's equations read");
}
void Parameters::absent() {
  common_.absent = choice("absent", {"keep", "ignore", "zero"},
                          "a class without truth: keep its loss, leave it out of the mean, or count it as 0")
                       .word;
}
void Parameters::weights(const char* meaning) {
  common_.weights =
      list("weights", {"none", "inverse", "sqrt", "median"}, 0, 1e12,
           std::string(meaning) +
               ": one number per class (2 for one sigmoid channel), or from the class fractions f of the "
               "training set: inverse 1/f, sqrt 1/sqrt(f) (mean 1 over the voxels), median median(f)/f; as "
               "factors of the losses of classes all three have mean 1 over the classes");
}
void Parameters::unit() {
  common_.millimetres =
      choice("unit", {"voxel", "mm"}, "of distances: voxels, the geometric mean of the spacing is 1, or the spacing's")
          .is("mm");
}
void Parameters::ignore() {
  common_.ignore =
      integer("ignore", -1, -1, 255, "label that is left out of everything; -1: the one the data names, if any");
}

const std::string& Parameters::field(const std::string& key) {
  return fields_.emplace_back(common_.millimetres ? key + kMillimetres : key);
}

void Parameters::check_settings() const {
  std::vector<std::string> names;
  for (const Parameter& parameter : declared_) names.push_back(parameter.name);
  std::vector<bool> seen(names.size(), false);
  for (const auto& [name, value] : settings_) {
    const std::size_t i = choose(common_.loss + ": parameter", name, names);
    if (seen[i]) refuse(common_.loss, ": ", name, " is given twice");
    seen[i] = true;
  }
  if (common_.pool_classes && common_.weights.word != "none")
    refuse(common_.loss, ": weights have no meaning with pool_classes=1, no class is left to weigh");
}

}  // namespace voxgrad::losses

// The parameters of a loss. One call declares a parameter and returns its value, so that its name stands in one place:
//   const double alpha = with.number("alpha", 0.3, 0, 1e6, "weight of false positives");
// A loss makes these calls once, when it is built. Building it without settings gives the list of its parameters.
#pragma once

#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace voxgrad::losses {

inline constexpr char kMillimetres[] = ":mm";  // ends the key of a field with distances in the unit of the spacing
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The shortest text that reads back as the same number.
[[nodiscard]] std::string shortest_text(double value);

// A number or an integer is one value. A flag is 0 or 1. A choice is one of `choices`. A list is either numbers with
// '/' between them or one of `choices`.
enum class Kind { number, integer, flag, choice, list };
[[nodiscard]] const char* name_of(Kind kind);

// A parameter as help texts and tests see it.
struct Parameter {
  std::string name;
  Kind kind;
  std::string standard;  // the default value, as text
  double low, high;      // closed range of a number, or of every number of a list
  std::vector<std::string> choices;
  std::string meaning;
};

// The value of a choice.
struct Choice {
  std::string parameter;  // "dice: transform", for messages
  std::string word;
  std::vector<std::string> choices;
  // Whether `word` was chosen. Error if it is not one of the choices.
  [[nodiscard]] bool is(const char* word) const;
};

// The value of a list: either numbers or a word; the other member is empty.
struct List {
  std::vector<double> numbers;
  std::string word;
};

// The options that mean the same in every loss. LossInput obeys them; a loss never reads them.
struct CommonOptions {
  std::string loss;  // for messages
  bool background = true;
  bool batch = false;
  bool pool_classes = false;
  std::string absent = "keep";
  List weights = {{}, "none"};
  bool millimetres = false;
  int ignore = -1;
};

class Parameters {
 public:
  using Setting = std::pair<std::string, std::string>;  // name and value
  Parameters(const std::string& loss, std::vector<Setting> set) : settings_(std::move(set)), common_{.loss = loss} {}

  // Each declares a parameter and returns its value. Error(usage) if the value has the wrong form or is out of range.
  double number(const char* name, double standard, double low, double high, const char* meaning);
  int integer(const char* name, int standard, int low, int high, const char* meaning);
  bool flag(const char* name, bool standard, const char* meaning);
  // The first word is the default.
  using Words = std::initializer_list<const char*>;
  Choice choice(const char* name, Words choices, const char* meaning);
  List list(const char* name, Words words, double low, double high, const std::string& meaning);

  // The options that mean the same in every loss.
  void background(bool standard = true);
  void batch(bool standard = false);
  void pool_classes();
  void absent();
  void weights(const char* meaning);
  void unit();
  void ignore();

  // Declares that the loss will ask for the field `key` (losses/core/fields.h), in the unit that was declared before,
  // so that it is made once per case and not once per step. Returns the key with the unit.
  const std::string& field(const std::string& key);

  // To be called after the last declaration. Error(usage) if a setting has no parameter (with a did-you-mean), if it is
  // given twice, and if common options contradict each other.
  void check_settings() const;

  [[nodiscard]] const std::vector<Parameter>& declared() const { return declared_; }
  [[nodiscard]] const CommonOptions& common() const { return common_; }
  [[nodiscard]] const std::vector<std::string>& fields() const { return fields_; }
  // "alpha=0.3,beta=0.7": every parameter, in the order of declaration.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string declare(Parameter parameter);
  double parse_number(const std::string& written) const;
  double read_number(Parameter parameter);
  const std::string& read_word(const std::string& written);
  void append_text(const std::string& value);
  std::string place() const;

  std::vector<Setting> settings_;
  std::vector<Parameter> declared_;
  std::vector<std::string> fields_;
  CommonOptions common_;
  std::string text_;
};

}  // namespace voxgrad::losses

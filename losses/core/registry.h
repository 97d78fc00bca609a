// The losses as data: what every list, help text, test and comparison reads. losses/<name>.cpp defines one Spec; the
// build lists the folder. Nothing else in the program names a loss.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace voxgrad::losses {

class LossInput;  // losses/core/inputs.h
// What a loss computes: a scalar f64 tensor, differentiable with respect to the logits.
using Function = std::function<Tensor(const LossInput&)>;

enum class Family { distribution, region, boundary, compound };
const char* name_of(Family family);

// number and integer: one value. flag: 0 or 1. choice: one of `choices`. list: numbers with '/' between them, or one
// of `choices`.
enum class Kind { number, integer, flag, choice, list };
const char* name_of(Kind kind);

// The shortest text that reads back as the same number.
std::string shortest_text(double value);

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Parameter {
  std::string name;
  Kind kind;
  std::string standard;  // default, as text
  double low, high;      // range of a number, or of every number of a list; both ends belong to it
  std::vector<std::string> choices;
  std::string meaning;
};
Parameter number(std::string name, double standard, double low, double high, std::string meaning);
Parameter integer(std::string name, int standard, int low, int high, std::string meaning);
Parameter flag(std::string name, bool standard, std::string meaning);
Parameter choice(std::string name, std::vector<std::string> choices, std::string meaning);  // the first is the default
Parameter list(std::string name, std::string standard, std::vector<std::string> words, double low, double high,
               std::string meaning);
std::vector<Parameter> operator+(std::vector<Parameter> first, std::vector<Parameter> second);

// The values of all parameters of one loss. Asking for a parameter that the loss did not declare throws.
class Parameters {
 public:
  using Setting = std::pair<std::string, std::string>;  // name, value
  // Checks and completes settings. Error(usage): unknown or doubled name, wrong form, out of range; `loss` for
  // messages.
  Parameters(const std::string& loss, const std::vector<Parameter>& declared, const std::vector<Setting>& settings);

  bool has(const std::string& name) const;
  double number(const std::string& name) const;
  int integer(const std::string& name) const;
  bool on(const std::string& name) const;
  const std::string& choice(const std::string& name) const;
  bool is(const std::string& name, const std::string& word) const;  // throws if that is no choice of the parameter
  const std::vector<double>& list(const std::string& name) const;   // empty if it is a word
  const std::string& list_word(const std::string& name) const;      // empty if it is numbers
  std::string text() const;  // "alpha=0.3,beta=0.7": every parameter, in the order of declaration

 private:
  struct Value {
    Parameter parameter;
    std::string text;  // canonical
    double number = 0;
    std::string word = {};
    std::vector<double> list = {};
  };
  Value parse(const Parameter& parameter, const std::string& text) const;
  const Value& value(const std::string& name, Kind kind) const;
  std::string loss_;
  std::vector<Value> values_;
};

struct Spec {
  std::string name;
  Family family;
  std::string summary;  // one line
  std::string formula;  // plain text, with the symbols of losses/README.md
  std::string source;   // paper and equation
  std::vector<Parameter> parameters;
  std::string helps;  // when it helps
  std::string fails;  // how it fails
  // Reads the parameters once and returns the function.
  std::function<Function(const Parameters&)> build;
  bool geometric = false;    // depends on where voxels are (distances), not only on which values occur how often
  bool objective = true;     // can be trained with on its own; false: a term for the side of another loss
  bool soft_labels = false;  // also takes labels [N, *S, C] of the dtype of the logits
  // The setting under which the gradient is the slope of the value, if by default a part is held constant.
  std::string exact_with = {};
  // Keys of the fields that the loss will ask for (losses/terms/fields.h); none if it is not set.
  std::function<std::vector<std::string>(const Parameters&)> fields = {};
};

// All losses, sorted by family and name; `ignore` is appended to the parameters of each.
const std::vector<Spec>& registry();
// Error(usage) with a did-you-mean.
const Spec& find_spec(const std::string& name);
std::vector<Spec> all_specs();  // generated from the folder, see losses/CMakeLists.txt

}  // namespace voxgrad::losses

// The text form of a loss: terms `weight*name:parameter=value,parameter=value`, added with '+'. Lists are written with
// '/', switches as 0 and 1, numbers as in C ("1e-05", "2.5"; the sign in "1e+5" does not end a term). Spaces count
// nowhere.
#pragma once

#include <string>
#include <vector>

#include "losses/core/registry.h"

namespace voxgrad::losses {

struct TermText {
  double weight = 1;
  std::string name;
  std::vector<Parameters::Setting> settings;
};

// Splits; names and values are not looked at. Error(usage) that shows the place.
std::vector<TermText> parse_terms(const std::string& text);
// weight*name:settings, the weight only if it is not 1.
std::string term_text(double weight, const std::string& name, const Parameters& parameters);

}  // namespace voxgrad::losses

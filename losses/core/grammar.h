// The text form of a loss: terms `weight*name:parameter=value,parameter=value`, added with '+'. Lists are written with
// '/', switches as 0 and 1, numbers as in C. The sign in "1e+5" does not end a term. Spaces have no meaning.
#pragma once

#include <string>
#include <vector>

#include "losses/core/parameters.h"

namespace voxgrad::losses {

struct TermText {
  double weight = 1;
  std::string name;
  std::vector<Parameters::Setting> settings;
};

// Splits the text without checking names and values. Error(usage) that shows the wrong part.
[[nodiscard]] std::vector<TermText> parse_terms(const std::string& text);
// "weight*name:settings"; a weight of 1 is not written.
[[nodiscard]] std::string term_text(double weight, const std::string& name, const Parameters& parameters);

}  // namespace voxgrad::losses

// The answer of a comparison, for the first screen of its report: which loss to take, which are as good, how sure that
// is, and what is not known. Where nothing follows for the losses, it says so and why, and what would help.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/comparison/answers.h"

namespace voxgrad::apps {

struct Card {
  std::string headline;
  bool open = false;                                       // whether no loss is recommended
  std::vector<std::pair<std::string, std::string>> lines;  // a term and what is said of it, plain text
};
Card card_of(const Comparison& comparison, const std::vector<Analysis>& analyses);
std::string to_html(const Card& card);

// "2 to 5": the ranks that other cases and trainings would give it.
std::string ranks_words(const LossStatistics& loss);

}  // namespace voxgrad::apps

// The summary in plain words.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"

namespace voxgrad::apps {

// Returns paragraphs that follow from the numbers alone.
std::vector<std::string> in_words(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                  const std::vector<Question>& questions);

// Names the losses that were asked for and are not among those of `all`; empty if there are none.
std::string about_missing(const Comparison& comparison, const Analysis& all);

}  // namespace voxgrad::apps

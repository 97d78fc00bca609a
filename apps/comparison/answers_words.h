// The summary in plain words.
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"

namespace voxgrad::apps {

// Returns paragraphs that follow from the numbers alone.
std::vector<std::string> in_words(const Comparison& comparison, const std::vector<Analysis>& analyses,
                                  const std::vector<Question>& questions);

}  // namespace voxgrad::apps

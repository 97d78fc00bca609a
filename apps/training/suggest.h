// "Did you mean": the known word that is nearest to what was typed.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::apps {

// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours), if it is close enough
// to be a slip of the hand: at most a third of its letters, at least one. Empty otherwise.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// "did you mean `x`?", or "known: a, b, c" if nothing is near.
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& words, const std::string& separator);

}  // namespace voxgrad::apps

// Choosing by name: what every place shares that takes a name from a user.
#pragma once

#include <string>
#include <vector>

namespace voxgrad {

// Index of `name` in `known` (not empty). Error(usage) with the known names and, where one is near, a did-you-mean;
// `what` says what is chosen: "optimizer", "loss", "dice: transform".
std::size_t choose(const std::string& what, const std::string& name, const std::vector<std::string>& known);

// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours), if it is close enough
// to be a slip of the hand: at most about a third of its letters, at least one. Empty otherwise.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// "did you mean `x`?", or "known: a, b, c" if nothing is near.
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& words, const std::string& separator);

}  // namespace voxgrad

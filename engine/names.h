// Choosing by name. Every function that takes a name from a user shares this.
#pragma once

#include <string>
#include <vector>

namespace voxgrad {

// The index of `name` in `known`, which is not empty. Error(usage) with the known names and, if one is similar, a hint
// that suggests it. `what` says what is chosen: "optimizer", "loss", "dice: transform".
std::size_t choose(const std::string& what, const std::string& name, const std::vector<std::string>& known);

// Returns the candidate with the smallest edit distance (insert, delete, replace, swap neighbours) if the distance is
// that of a typing error: at most one, or about a third of the letters. Returns an empty string otherwise.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// "did you mean `x`?", or "known: a, b, c" if no candidate is similar.
std::string suggestion(const std::string& word, const std::vector<std::string>& candidates);

std::string join(const std::vector<std::string>& words, const std::string& separator);

}  // namespace voxgrad

// Choosing by name: what every place shares that takes a name from a user.
#pragma once

#include <string>
#include <vector>

namespace voxgrad {

// Index of `name` in `known` (not empty). Error(usage) with the known names and, where one is near, a did-you-mean;
// `what` says what is chosen: "optimizer", "loss", "dice: transform".
std::size_t choose(const std::string& what, const std::string& name, const std::vector<std::string>& known);

}  // namespace voxgrad

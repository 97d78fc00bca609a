// Choosing by name: what the factories of optimisers and schedules share.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::nn {

// Index of `name` in `known`. Error(usage) with the known names and the nearest one: `what` is "optimizer", "schedule".
std::size_t choose(const char* what, const std::string& name, const std::vector<std::string>& known);

}  // namespace voxgrad::nn

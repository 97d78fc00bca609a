// Relations between losses: what a student wants to know of them, and what a test checks for every one of them.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::losses {

enum class Channels { any, one, several };  // for which numbers of channels of the logits a relation holds

// Two texts of losses with equal values and gradients.
struct Identity {
  std::string left, right;
  Channels channels = Channels::any;
};
const std::vector<Identity>& identities();
// Those that mention a loss on either side.
std::vector<Identity> identities_of(const std::string& name);

}  // namespace voxgrad::losses

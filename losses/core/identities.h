// Relations between losses: what a student wants to know of them, and what a test checks for every one of them.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::losses {

// For which logits a relation holds: any, one sigmoid channel, several channels, or two classes in either form.
enum class Channels { any, one, several, two_classes };

// Two texts of losses with equal values and gradients.
struct Identity {
  std::string left, right;
  Channels channels = Channels::any;
};
const std::vector<Identity>& identities();
// Those that mention a loss on either side.
std::vector<Identity> identities_of(const std::string& name);

}  // namespace voxgrad::losses

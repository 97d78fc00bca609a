// Losses that are equal to other losses. Readers learn from the list how the losses are related, and a test checks
// every entry.
#pragma once

#include <string>
#include <vector>

namespace voxgrad::losses {

// For which logits a relation holds: any, one sigmoid channel, several channels, or two classes in either form.
enum class Channels { any, one, several, two_classes };

// The texts of two losses with equal values and gradients.
struct Identity {
  std::string left, right;
  Channels channels = Channels::any;
};
[[nodiscard]] const std::vector<Identity>& identities();
// The identities that have the loss on either side.
[[nodiscard]] std::vector<Identity> identities_of(const std::string& name);

}  // namespace voxgrad::losses

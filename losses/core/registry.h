// The losses as data. Every list, help text, test and comparison reads this registry. Each losses/<name>.cpp defines
// one Spec, and the build lists the folder, so that no other place names all losses.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "losses/core/parameters.h"

namespace voxgrad {
class Tensor;
}

namespace voxgrad::losses {

class LossInput;  // losses/core/inputs.h
// A loss, one number, or a term of it, differentiable with respect to the logits.
using Function = std::function<Tensor(const LossInput&)>;

enum class Family { distribution, region, boundary, compound };
[[nodiscard]] const char* name_of(Family family);

struct Spec {
  std::string name;
  Family family;
  std::string summary;  // one line
  std::string formula;  // plain text, with the symbols of losses/README.md
  std::string source;   // paper and equation
  std::string helps;    // when the loss helps
  std::string fails;    // how the loss fails
  // Declares and reads the parameters, and returns the function.
  std::function<Function(Parameters& with)> build;
  bool geometric = false;     // the value depends on the positions of the voxels (distances)
  bool jumps = false;         // the value jumps where a prediction passes a threshold
  bool reads_logits = false;  // the value depends on the logits themselves, and not on the probabilities alone
  bool objective = true;      // false: a term that cannot be trained with alone
  // false: the loss has no meaning for soft labels [N, *S, C]. The registry says so of all losses that have fields.
  bool soft_labels = true;
  // The setting under which the gradient is the derivative of the value; not empty if the default treats a part of the
  // value as constant.
  std::string exact_with = {};
  std::vector<Parameter> parameters = {};  // filled in by the registry
};

// Calls spec.build, declares `ignore`, which every loss has, and checks the settings. The value becomes f64 [].
[[nodiscard]] Function build_loss(const Spec& spec, Parameters& with);
// All losses, sorted by family and name: those of this folder, and those that were registered.
bool operator<(const Spec& a, const Spec& b);
[[nodiscard]] const std::set<Spec>& registry();
// Adds a loss that stands outside this folder. No other thread may use losses meanwhile. Error(argument) if the name is
// taken or has other characters than a-z, 0-9 and _, or if there is nothing to build.
const Spec& register_loss(Spec spec);
// Error(usage) with a did-you-mean for an unknown name.
[[nodiscard]] const Spec& find_spec(const std::string& name);
[[nodiscard]] std::vector<Spec> all_specs();  // generated from the folder by losses/CMakeLists.txt

}  // namespace voxgrad::losses

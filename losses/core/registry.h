// The losses as data. Every list, help text, test and comparison reads this registry. Each losses/<name>.cpp defines
// one Spec, and the build lists the folder, so that no other place names all losses.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "losses/core/parameters.h"

namespace voxgrad {
class Tensor;
}

namespace voxgrad::losses {

class LossInput;  // losses/core/inputs.h
// A loss, a scalar f64 tensor, or a term of it, differentiable with respect to the logits.
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
  Function (*build)(Parameters& with);
  bool geometric = false;  // the value depends on the positions of the voxels (distances)
  bool objective = true;   // false: a term that cannot be trained with alone
  // false: the loss has no meaning for soft labels [N, *S, C]. The registry says so of all losses that have fields.
  bool soft_labels = true;
  // The setting under which the gradient is the derivative of the value; not empty if the default treats a part of the
  // value as constant.
  std::string exact_with = {};
  std::vector<Parameter> parameters = {};  // filled in by the registry
};

// Calls spec.build, declares `ignore`, which every loss has, and checks the settings.
[[nodiscard]] Function build(const Spec& spec, Parameters& with);

// All losses, sorted by family and name.
[[nodiscard]] const std::vector<Spec>& registry();
// Error(usage) with a did-you-mean for an unknown name.
[[nodiscard]] const Spec& find_spec(const std::string& name);
[[nodiscard]] std::vector<Spec> all_specs();  // generated from the folder by losses/CMakeLists.txt

}  // namespace voxgrad::losses

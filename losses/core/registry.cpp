#include "losses/core/registry.h"

#include <algorithm>
#include <tuple>

#include "engine/names.h"
#include "engine/tensor.h"

namespace voxgrad::losses {

const char* name_of(Family family) {
  static const char* const names[] = {"distribution", "region", "boundary", "compound"};
  return names[static_cast<std::size_t>(family)];
}

Function build(const Spec& spec, Parameters& with) {
  Function function = spec.build(with);
  with.ignore();
  with.check_settings();
  return function;
}

const std::vector<Spec>& registry() {
  static const std::vector<Spec> specs = [] {
    std::vector<Spec> all = all_specs();
    for (Spec& spec : all) {
      Parameters defaults(spec.name, {});
      static_cast<void>(build(spec, defaults));
      spec.parameters = defaults.declared();
      spec.soft_labels = spec.soft_labels && defaults.fields().empty();
    }
    std::sort(all.begin(), all.end(),
              [](const Spec& a, const Spec& b) { return std::tie(a.family, a.name) < std::tie(b.family, b.name); });
    return all;
  }();
  return specs;
}

const Spec& find_spec(const std::string& name) {
  std::vector<std::string> names;
  for (const Spec& spec : registry()) names.push_back(spec.name);
  return registry()[choose("loss", name, names)];
}

}  // namespace voxgrad::losses

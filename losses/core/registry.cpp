#include "losses/core/registry.h"

#include <iterator>
#include <tuple>
#include <utility>

#include "engine/error.h"
#include "engine/names.h"
#include "engine/ops.h"

namespace voxgrad::losses {

const char* name_of(Family family) {
  static const char* const names[] = {"distribution", "region", "boundary", "compound"};
  return names[static_cast<std::size_t>(family)];
}

Function build_loss(const Spec& spec, Parameters& with) {
  Function function = spec.build(with);
  with.ignore();
  with.check_settings();
  return [function = std::move(function), name = spec.name](const LossInput& in) {
    const Tensor value = function(in);
    check(value.defined() && value.numel() == 1, name, ": the value of a loss is one number, got ", value);
    return value.dtype() == DType::f64 ? value : cast(value, DType::f64);
  };
}

bool operator<(const Spec& a, const Spec& b) { return std::tie(a.family, a.name) < std::tie(b.family, b.name); }

namespace {

const Spec& add(Spec spec, std::set<Spec>& all) {
  const bool fits = spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  check(fits && !spec.name.empty(), "register_loss: \"", spec.name, "\" is not a name of a-z, 0-9 and _");
  for (const Spec& other : all)
    check(other.name != spec.name, "register_loss: there is a loss \"", spec.name, "\" already");
  check(spec.build != nullptr, "register_loss: \"", spec.name, "\" has no function `build`");
  Parameters defaults(spec.name, {});
  static_cast<void>(build_loss(spec, defaults));
  spec.parameters = defaults.declared();
  spec.soft_labels = spec.soft_labels && defaults.fields().empty();
  return *all.insert(std::move(spec)).first;
}

std::set<Spec>& all_losses() {
  static std::set<Spec> all = [] {
    std::set<Spec> own;
    for (const Spec& spec : all_specs()) add(spec, own);
    return own;
  }();
  return all;
}

}  // namespace

const std::set<Spec>& registry() { return all_losses(); }
const Spec& register_loss(Spec spec) { return add(std::move(spec), all_losses()); }

const Spec& find_spec(const std::string& name) {
  std::vector<std::string> names;
  for (const Spec& spec : registry()) names.push_back(spec.name);
  return *std::next(registry().begin(), static_cast<std::ptrdiff_t>(choose("loss", name, names)));
}

}  // namespace voxgrad::losses

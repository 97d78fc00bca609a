#include "data/consistent.h"

#include <cmath>
#include <set>

#include "data/format.h"
#include "engine/error.h"

namespace voxgrad::data {
namespace {

constexpr double kSpacingTolerance = 1e-3;  // headers round

void require_names(const std::vector<std::string>& list, const char* what, const std::string& where) {
  Names names(what, where);
  for (const std::string& name : list) names.add(name);
}

void require_groups(const DatasetInfo& info, const std::string& where) {
  if (info.groups.empty()) return;
  if (info.groups.size() != info.case_ids.size())
    fail_format(where, text("groups has ", info.groups.size(), " entries for ", info.case_ids.size(), " cases"));
  for (std::size_t i = 0; i < info.groups.size(); ++i)
    if (info.groups[i].empty() || !is_printable(info.groups[i]))
      fail_format(where, text("the group of case ", i, " is empty or no printable UTF-8"));
}

// Throws Error(data) if a case or a group is in two of these splits, which are used together.
void require_apart(const DatasetInfo& info, const std::vector<std::string>& names, const std::string& where) {
  std::map<std::int64_t, std::string> owner;
  std::map<std::string, std::string> group_owner;
  for (const std::string& name : names) {
    const auto found = info.splits.find(name);
    if (found == info.splits.end()) continue;
    for (const std::int64_t index : found->second) {
      const auto [other, is_new] = owner.emplace(index, name);
      if (!is_new)
        fail_format(where,
                    text("splits: case ", index, " (\"", nth(info.case_ids, index), "\") is ",
                         other->second == name ? "twice in " + name : "in " + other->second + " and in " + name),
                    "what is tested must not have been trained on");
      if (info.groups.empty()) continue;
      const auto [group, is_new_group] = group_owner.emplace(nth(info.groups, index), name);
      if (group->second != name)
        fail_format(where,
                    text("splits: group \"", nth(info.groups, index), "\" is in ", group->second, " and in ", name),
                    "all cases of a group belong to one split, or the test is not independent");
    }
  }
}

void require_splits(const DatasetInfo& info, const std::string& where) {
  const std::int64_t cases = std::ssize(info.case_ids);
  std::set<std::string> folds;
  for (const auto& [name, indices] : info.splits) {
    for (const std::int64_t index : indices)
      if (index < 0 || index >= cases)
        fail_format(where, text("splits: ", name, " names case ", index, ", there are 0..", cases - 1));
    const std::size_t slash = name.find('/');
    if (slash != std::string::npos) folds.insert(name.substr(0, slash));
    require_apart(info, {name}, where);
  }
  require_apart(info, {"train", "val", "test"}, where);
  for (const std::string& fold : folds) require_apart(info, {fold + "/train", fold + "/val"}, where);
}

}  // namespace

void Names::add(const std::string& name) {
  const std::string problem = list_.add(name);
  if (!problem.empty()) fail_format(where_, text(what_, " ", problem));
}

void require_classes(const DatasetInfo& info, const std::string& where) {
  const std::int64_t classes = std::ssize(info.class_names);
  if ((info.labelled || classes > 0) && (classes < 2 || classes > 255))
    fail_format(where, text("class_names has ", classes, " names, expected 2..255, the background first"));
  require_names(info.class_names, "class name", where);
  if (info.ignore_label > 255) fail_format(where, text("ignore_label is ", info.ignore_label, ", expected 0..255"));
  if (info.ignore_label >= 0 && info.ignore_label < classes)
    fail_format(where,
                text("ignore_label ", info.ignore_label, " is a class: ", nth(info.class_names, info.ignore_label)));
  if (!info.class_colours.empty() && std::ssize(info.class_colours) != classes)
    fail_format(where, text("class_colours has ", info.class_colours.size(), " colours for ", classes, " classes"));
  for (const auto& [stored, label] : info.source_label_map)
    if (label != info.ignore_label && (label < 0 || label >= classes))
      fail_format(where, text("label_map ", stored, ":", label, " leads to no class and not to the ignore label"));
}

void require_space(const CaseName& name, int dims, const std::vector<double>& spacing,
                   const std::optional<Affine>& affine) {
  const auto fail = [&](const std::string& problem) {
    fail_format(name.where, text("case ", name.index, " (\"", name.id, "\"): ", problem));
  };
  const auto list = [](const std::vector<double>& values) {
    std::string result;
    for (const double value : values) result += text(result.empty() ? "" : ", ", value);
    return result;
  };
  if (const std::string problem = spacing_problem(spacing, dims); !problem.empty()) fail(problem);
  if (!affine) return;
  if (dims != 3) fail("has an affine, which only volumes have");
  try {
    orientation_of(*affine);
  } catch (const Error& error) {
    fail(error.message());
  }
  const std::vector<double> steps = spacing_of(*affine);
  for (std::size_t axis = 0; axis < steps.size(); ++axis)
    if (std::abs(spacing[axis] - steps[axis]) > kSpacingTolerance * steps[axis])
      fail(text("spacing is ", list(spacing), ", but that of the affine is ", list(steps)));
}

void require_consistent(const DatasetInfo& info, const std::string& where) {
  require_classes(info, where);
  if (info.case_ids.empty()) fail_format(where, "has no cases");
  require_names(info.case_ids, "case id", where);
  require_groups(info, where);
  require_splits(info, where);
}

}  // namespace voxgrad::data

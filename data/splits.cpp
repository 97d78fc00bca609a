// Splits and folds: sets of cases that share no group.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "data/dataset.h"
#include "engine/random.h"

namespace voxgrad::data {
namespace {

using Cases = std::vector<std::int64_t>;

constexpr std::uint64_t kSplitSeed = 20150518;  // of the split that a file without one gets; never changed
constexpr double kHeldOut = 0.15;               // share of val, and of test

// The cases by group (each alone if there are none), in an order that depends on the seed alone.
std::vector<Cases> shuffled_groups(const DatasetInfo& info, Cases cases, std::uint64_t seed) {
  std::sort(cases.begin(), cases.end());
  std::map<std::string, Cases> by_name;
  std::vector<Cases> groups;
  for (const std::int64_t index : cases) {
    check(index >= 0 && index < static_cast<std::int64_t>(info.case_ids.size()), "splits: case ", index, " of ",
          info.case_ids.size());
    if (info.groups.empty())
      groups.push_back({index});
    else
      by_name[info.groups[static_cast<std::size_t>(index)]].push_back(index);
  }
  for (auto& [name, members] : by_name) groups.push_back(std::move(members));
  Random(seed).shuffle(groups);
  return groups;
}

bool larger(const Cases& a, const Cases& b) { return a.size() > b.size(); }
void append(Cases& target, const Cases& cases) { target.insert(target.end(), cases.begin(), cases.end()); }

std::map<std::string, Cases> make_splits(const DatasetInfo& info) {
  Cases all(info.case_ids.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<Cases> groups = shuffled_groups(info, all, kSplitSeed);
  // The largest groups first, each to the split that lacks most.
  std::stable_sort(groups.begin(), groups.end(), larger);
  const double held_out = std::max(1.0, std::round(kHeldOut * static_cast<double>(all.size())));
  struct Part {
    const char* name;
    double missing;
  };
  std::array<Part, 3> parts{{{"train", std::max(1.0, static_cast<double>(all.size()) - 2 * held_out)},
                             {"test", held_out},
                             {"val", held_out}}};
  std::map<std::string, Cases> splits{{"train", {}}, {"val", {}}, {"test", {}}};
  for (const Cases& group : groups) {
    Part& part = *std::max_element(parts.begin(), parts.end(),
                                   [](const Part& a, const Part& b) { return a.missing < b.missing; });
    part.missing -= static_cast<double>(group.size());
    append(splits[part.name], group);
  }
  for (auto& [name, split] : splits) std::sort(split.begin(), split.end());
  return splits;
}

}  // namespace

std::vector<std::int64_t> Dataset::split(const std::string& name) const {
  if (name == "all") {
    Cases all(static_cast<std::size_t>(size()));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const std::map<std::string, Cases> splits = info().splits.empty() ? make_splits(info()) : info().splits;
  const auto found = splits.find(name);
  if (found != splits.end()) return found->second;
  std::string names = "all";
  for (const auto& [other, cases] : splits) names += ", " + other;
  throw Error(ErrorKind::usage, text("split \"", name, "\" is not in ", info().name), "it has " + names);
}

Fold make_fold(const DatasetInfo& info, const std::vector<std::int64_t>& cases, int folds, int fold,
               std::uint64_t seed) {
  std::vector<Cases> groups = shuffled_groups(info, cases, seed);
  if (folds < 2 || static_cast<std::size_t>(folds) > groups.size())
    throw Error(ErrorKind::usage,
                text("folds: ", folds, " of ", groups.size(), info.groups.empty() ? " cases" : " groups"),
                text("choose 2..", groups.size()));
  check(fold >= 0 && fold < folds, "folds: fold ", fold, " of ", folds);
  // The largest groups first, each to the smallest fold, so that the folds end up of one size.
  std::stable_sort(groups.begin(), groups.end(), larger);
  std::vector<Cases> held_out(static_cast<std::size_t>(folds));
  for (const Cases& group : groups) {
    Cases& smallest = *std::min_element(held_out.begin(), held_out.end(),
                                        [](const Cases& a, const Cases& b) { return a.size() < b.size(); });
    append(smallest, group);
  }
  Fold result;
  for (std::size_t k = 0; k < held_out.size(); ++k)
    append(k == static_cast<std::size_t>(fold) ? result.val : result.train, held_out[k]);
  std::sort(result.train.begin(), result.train.end());
  std::sort(result.val.begin(), result.val.end());
  return result;
}

}  // namespace voxgrad::data

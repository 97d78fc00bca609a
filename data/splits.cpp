#include "data/splits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/random.h"

namespace voxgrad::data {
namespace {

using Cases = std::vector<std::int64_t>;

constexpr std::uint64_t kSplitSeed = 20150518;  // must never change: files without splits would get others
constexpr double kHeldOut = 0.15;               // the share of val, and that of test

// Returns the cases of each group (each case alone if there are no groups) in an order that the seed decides.
std::vector<Cases> shuffled_groups(const DatasetInfo& info, Cases cases, std::uint64_t seed) {
  std::sort(cases.begin(), cases.end());
  std::map<std::string, Cases> by_name;
  std::vector<Cases> groups;
  for (const std::int64_t index : cases) {
    check(index >= 0 && index < std::ssize(info.case_ids), "splits: case ", index, " of ", info.case_ids.size());
    if (info.groups.empty())
      groups.push_back({index});
    else
      by_name[nth(info.groups, index)].push_back(index);
  }
  for (auto& [name, members] : by_name) groups.push_back(std::move(members));
  Random(seed).shuffle(groups);
  return groups;
}

Cases all_cases(const DatasetInfo& info) {
  Cases all(info.case_ids.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

bool larger(const Cases& a, const Cases& b) { return a.size() > b.size(); }
void append(Cases& target, const Cases& cases) { target.insert(target.end(), cases.begin(), cases.end()); }

std::map<std::string, Cases> make_splits(const DatasetInfo& info) {
  const double cases = static_cast<double>(info.case_ids.size());
  std::vector<Cases> groups = shuffled_groups(info, all_cases(info), kSplitSeed);
  // Each group, the largest first, goes to the split that lacks most.
  std::stable_sort(groups.begin(), groups.end(), larger);
  const double held_out = std::max(1.0, std::round(kHeldOut * cases));
  struct Part {
    const char* name;
    double missing;
    std::vector<Cases> groups;
  };
  std::array<Part, 3> parts{
      {{"train", std::max(1.0, cases - 2 * held_out), {}}, {"test", held_out, {}}, {"val", held_out, {}}}};
  for (const Cases& group : groups) {
    Part& part = *std::max_element(parts.begin(), parts.end(),
                                   [](const Part& a, const Part& b) { return a.missing < b.missing; });
    part.missing -= static_cast<double>(group.size());
    part.groups.push_back(group);
  }
  // Large groups can fill two splits and leave nothing to the third. It then gets the smallest group of the split that
  // has most groups.
  for (Part& part : parts) {
    Part& richest = *std::max_element(parts.begin(), parts.end(),
                                      [](const Part& a, const Part& b) { return a.groups.size() < b.groups.size(); });
    if (!part.groups.empty() || richest.groups.size() < 2) continue;
    part.groups.push_back(richest.groups.back());
    richest.groups.pop_back();
  }
  std::map<std::string, Cases> splits;
  for (const Part& part : parts) {
    Cases& split = splits[part.name];
    for (const Cases& group : part.groups) append(split, group);
    std::sort(split.begin(), split.end());
  }
  return splits;
}

}  // namespace

std::vector<std::int64_t> split_of(const DatasetInfo& info, const std::string& name) {
  if (name == "all") return all_cases(info);
  const std::map<std::string, Cases> splits = info.splits.empty() ? make_splits(info) : info.splits;
  const auto found = splits.find(name);
  if (found != splits.end()) return found->second;
  std::string names = "all";
  for (const auto& [other, cases] : splits) names += ", " + other;
  throw Error(ErrorKind::usage, text("split \"", name, "\" is not in ", info.name), "it has " + names);
}

Fold make_fold(const DatasetInfo& info, const std::vector<std::int64_t>& cases, int folds, int fold,
               std::uint64_t seed) {
  std::vector<Cases> groups = shuffled_groups(info, cases, seed);
  const char* const unit = info.groups.empty() ? "case" : "group";
  if (folds < 2 || folds > std::ssize(groups))
    throw Error(ErrorKind::usage, text("folds: ", folds, " of ", groups.size(), " ", unit, "s"),
                text("every fold needs at least one ", unit, ", and there must be two folds or more"));
  check(fold >= 0 && fold < folds, "folds: fold ", fold, " of ", folds);
  // Each group, the largest first, goes to the smallest fold, so that the folds become equally large.
  std::stable_sort(groups.begin(), groups.end(), larger);
  std::vector<Cases> held_out(static_cast<std::size_t>(folds));
  for (const Cases& group : groups) {
    Cases& smallest = *std::min_element(held_out.begin(), held_out.end(),
                                        [](const Cases& a, const Cases& b) { return a.size() < b.size(); });
    append(smallest, group);
  }
  Fold result;
  for (int k = 0; k < folds; ++k) append(k == fold ? result.val : result.train, nth(held_out, k));
  std::sort(result.train.begin(), result.train.end());
  std::sort(result.val.begin(), result.val.end());
  return result;
}

}  // namespace voxgrad::data

#include "apps/training/cases.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "apps/program/console.h"
#include "apps/program/fields.h"
#include "apps/program/words.h"
#include "apps/training/checkpoint.h"
#include "apps/training/config.h"
#include "data/exchange/source.h"
#include "data/fingerprint.h"
#include "data/label_file.h"
#include "data/splits.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

// Fold k of n is tested, the next one validates, the others train. The folds are those of the file if it has n of
// them. Otherwise they are drawn; they never split a group and are the same for every seed of a training.
Split fold_split(const data::Dataset& dataset, const std::string& wish) {
  constexpr std::uint64_t kFoldSeed = 5;
  const auto& stored = dataset.info().splits;
  const std::optional<Part> part = parse_part(wish);
  if (!part || part->count < 3)
    throw Error(ErrorKind::usage, "--fold " + wish + ": not a fold", "write k/n with n from 3 and k from 0 to n - 1");
  const auto [k, n] = *part;
  const auto name = [](int fold) { return text("fold_", fold, "/val"); };
  const bool file_has_them = stored.contains(name(n - 1)) && !stored.contains(name(n));
  Split split;
  std::map<std::int64_t, int> fold_of_case;
  std::map<std::string, int> fold_of_group;
  for (int fold = 0; fold < n; ++fold) {
    const std::vector<std::int64_t> cases =
        file_has_them ? dataset.split(name(fold))
                      : data::make_fold(dataset.info(), dataset.split("all"), n, fold, kFoldSeed).val;
    std::vector<std::int64_t>& group = fold == k ? split.test : fold == (k + 1) % n ? split.val : split.train;
    group.insert(group.end(), cases.begin(), cases.end());
    for (const std::int64_t index : cases) {
      if (const auto [other, fresh] = fold_of_case.emplace(index, fold); !fresh)
        throw Error(ErrorKind::data,
                    text(dataset.info().path, ": the case ", nth(dataset.info().case_ids, index), " is in `",
                         name(other->second), "` and in `", name(fold), "`"),
                    "the folds of a cross-validation test different cases; without --fold the splits train, val and "
                    "test are taken");
      const std::string group_name = dataset.info().groups.empty() ? "" : nth(dataset.info().groups, index);
      if (group_name.empty()) continue;
      if (const auto [other, fresh] = fold_of_group.emplace(group_name, fold); other->second != fold)
        throw Error(ErrorKind::data,
                    text(dataset.info().path, ": cases of the group ", group_name, " are in `", name(other->second),
                         "` and in `", name(fold), "`"),
                    "all cases of a group belong into one fold, or a test is on what the training has seen");
    }
  }
  // A fold may leave cases out of its training.
  if (const std::string own = text("fold_", k, "/train"); file_has_them && stored.contains(own))
    std::erase_if(split.train, [cases = dataset.split(own)](std::int64_t index) {
      return std::find(cases.begin(), cases.end(), index) == cases.end();
    });
  std::sort(split.train.begin(), split.train.end());
  return split;
}

// Returns a split of the file. It is empty if the file has other splits but not this one.
std::vector<std::int64_t> split_or_none(const data::Dataset& dataset, const std::string& name) {
  const auto& splits = dataset.info().splits;
  if (!splits.empty() && !splits.contains(name)) return {};
  return dataset.split(name);
}

}  // namespace

Split split_of(const data::Dataset& dataset, const std::string& fold) {
  if (!fold.empty()) return fold_split(dataset, fold);
  return {split_or_none(dataset, "train"), split_or_none(dataset, "val"), split_or_none(dataset, "test")};
}

std::string only_fold(const data::DatasetInfo& info) {
  for (const char* name : {"train", "val", "test"})
    if (info.splits.contains(name)) return "";
  int folds = 0;
  while (info.splits.contains(text("fold_", folds, "/val"))) ++folds;
  return folds < 3 ? "" : text("0/", folds);
}

std::string shared_patients(const data::DatasetInfo& info, const Split& split) {
  if (!info.groups.empty()) return "";
  const data::NamedGroups named = data::groups_in_names(info.case_ids);
  std::map<std::string, std::set<const std::vector<std::int64_t>*>> splits;
  if (!named.of.empty())
    for (const auto* cases : {&split.train, &split.val, &split.test})
      for (const std::int64_t index : *cases) splits[nth(named.of, index)].insert(cases);
  std::erase_if(splits, [](const auto& one) {
    const bool numbered = one.first.find_first_of("0123456789") != std::string::npos;  // else it may be a class
    return one.second.size() < 2 || !numbered;
  });
  if (splits.empty()) return "";
  return text("by their names, cases of ", count_text(splits.size(), "patient"), ", as ", splits.begin()->first,
              ", are in several splits: the test may be on what the training has seen; if so, make the dataset with "
              "--groups '",
              named.pattern, "'");
}

std::vector<std::string> warnings_of(const data::Dataset& dataset, const Split& split) {
  const data::DatasetInfo& info = dataset.info();
  std::vector<std::string> warnings;
  const std::string remedy =
      info.splits.empty() ? text("; that needs three ", info.groups.empty() ? "cases" : "groups", " or more") : "";
  if (split.val.empty())
    warnings.push_back(text("no validation cases: the weights of the last epoch are taken, not the best ones", remedy));
  if (split.test.empty()) warnings.push_back(text("no test cases: nothing is tested", remedy));
  if (const std::string words = shared_patients(info, split); !words.empty()) warnings.push_back(words);
  const std::vector<std::int64_t> absent = data::absent_classes(dataset, split.train);
  if (std::ssize(absent) + 1 == dataset.classes())
    warnings.push_back("no training case has any foreground: there is nothing to learn");
  else
    for (const std::int64_t label : absent)
      warnings.push_back(text("class ", label, " (\"", nth(info.class_names, label), "\") is in no training case"));
  return warnings;
}

std::map<int, int> parse_label_map(const std::string& text, const std::string& flag) {
  std::map<int, int> map;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto label = [&](char stop) {
    int value = -1;
    const auto [next, code] = std::from_chars(at, end, value);
    const bool ok = code == std::errc{} && value >= 0 && value <= 255 && (next == end ? stop == ',' : *next == stop);
    if (!ok)
      throw Error(ErrorKind::usage, flag + ": cannot read \"" + text + "\"",
                  "write stored:class pairs, e.g. 0:0,255:1");
    at = next == end ? end : next + 1;
    return value;
  };
  while (at < end) {
    const int stored = label(':');
    if (!map.emplace(stored, label(',')).second)
      throw Error(ErrorKind::usage, voxgrad::text(flag, ": ", stored, " is in it twice"), "give each value one class");
  }
  return map;
}

data::Dataset open_dataset(const std::string& path, const std::string& label_map, bool labels) {
  data::DatasetOptions options;
  options.labels = labels;
  options.label_map = parse_label_map(label_map);
  return data::Dataset::open(path, options);
}

std::string setting_of(const std::string& model_file, const char* name) {
  const TensorFile file = load_tensors(model_file);
  if (!file.metadata.contains("config")) return "";
  return reading(model_file, ErrorKind::model, [&]() -> std::string {
    const Json config = metadata_json(file, "config", model_file);
    return config.contains(name) ? text_at(config, name) : "";
  });
}

std::optional<std::pair<std::string, Split>> fold_of(const std::string& model_file, const data::Dataset& dataset) {
  const std::string fold = setting_of(model_file, "fold");
  if (fold.empty()) return {};
  try {
    const Split split = split_of(dataset, fold);
    if (has_splits_of(model_file, dataset, split) && has_seen(model_file, dataset)) return std::pair{fold, split};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage && error.kind() != ErrorKind::data) throw;  // it has no such fold
  }
  return {};
}

bool has_splits_of(const std::string& model_file, const data::Dataset& dataset, const Split& split) {
  const TensorFile file = load_tensors(model_file);
  const auto description = file.metadata.find("description_crc32"), model = file.metadata.find("model");
  data::DatasetInfo info = dataset.info();
  if (model != file.metadata.end()) info.class_names = nn::parse_spec(model->second).class_names;  // of its training
  const std::uint32_t own = checksum_of_description(info, {split.train, split.val, split.test});
  return description != file.metadata.end() && description->second == std::to_string(own);
}

bool learned_from(const std::string& model_file, const data::Dataset& dataset) {
  const TensorFile file = load_tensors(model_file);
  const auto sums = file.metadata.find("dataset_crc32");
  return dataset.info().labelled && sums != file.metadata.end() && sums->second == text_of(checksums_of(dataset));
}

bool has_seen(const std::string& model_file, const data::Dataset& dataset) {
  const TensorFile file = load_tensors(model_file);
  const auto sums = file.metadata.find("dataset_crc32");
  return dataset.info().labelled && sums != file.metadata.end() &&
         sums->second.starts_with(text(checksums_of(dataset).images, '/'));
}

std::string label_map_for(const std::string& dataset, const nn::Model& model) {
  const std::string map = setting_of(model.path, "label_map");
  reading(model.path, ErrorKind::model, [&] { return parse_label_map(map); });
  if (map.empty()) return "";
  const auto fits = [&](const std::map<int, int>& how) {
    try {
      data::LabelFile(dataset, {how, model.spec.class_names}).verify();
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::data && error.kind() != ErrorKind::usage) throw;
      return false;
    }
  };
  const bool mapped = fits(parse_label_map(map));
  if (!data::Dataset::open(dataset).info().source_label_map.empty())  // an import has made classes of its labels
    return mapped && learned_from(model.path, open_dataset(dataset, map)) ? map : "";
  return mapped || !fits({}) ? map : "";
}

std::vector<std::int64_t> cases_of(const data::Dataset& dataset, const std::string& split) {
  std::vector<std::int64_t> cases = dataset.split(split);
  if (cases.empty()) throw Error(ErrorKind::data, dataset.info().path + ": no cases in the split `" + split + "`");
  return cases;
}

}  // namespace voxgrad::apps

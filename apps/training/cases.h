// Which cases of a dataset a training or an evaluation takes, how their labels are read, and what a model has learned
// from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "nn/inference/model.h"

namespace voxgrad::apps {

struct Split {
  std::vector<std::int64_t> train, val, test;  // indices of cases
};
// The cases of a fold "k/n", or of the splits of the dataset if `fold` is empty. A split that the file does not have
// is empty. Of the folds of a file, `fold_K/train` says which of the others train, if it is there. Throws Error(usage)
// for a fold that does not exist, and Error(data) if two folds of the file test the same case, or cases of one group.
Split split_of(const data::Dataset& dataset, const std::string& fold);
// Returns the first fold of a file that has folds and none of the splits train, val and test; else nothing.
std::string only_fold(const data::DatasetInfo& info);
// Says, a sentence each, what makes a training or its results poor before it begins: no cases to validate or to test
// on, cases whose names look like slices of one patient in several splits, and classes that no training case has. Reads
// training cases until every class was seen.
std::vector<std::string> warnings_of(const data::Dataset& dataset, const Split& split);
// That of them about slices of one patient; empty if there is none, as in a file with groups.
std::string shared_patients(const data::DatasetInfo& info, const Split& split);

// Reads "0:0,255:1" as pairs of a stored value and its class. Throws Error(usage) for another form.
std::map<int, int> parse_label_map(const std::string& text, const std::string& flag = "--label-map");
// Opens a dataset whose labels are mapped as --label-map says. Without `labels` they are not looked at.
data::Dataset open_dataset(const std::string& path, const std::string& label_map, bool labels = true);
// Returns a setting, which is a text, of the training of a model; empty if its file does not say it.
std::string setting_of(const std::string& model_file, const char* name);
// Returns the fold k/n that a model was trained for, and its cases, if the dataset is that of its training; else
// nothing. In other splits of that dataset are cases that the model has learned from.
std::optional<std::pair<std::string, Split>> fold_of(const std::string& model_file, const data::Dataset& dataset);
// Whether a model was trained on these splits of a dataset with this description (groups, spacing).
bool has_splits_of(const std::string& model_file, const data::Dataset& dataset, const Split& split);
// Whether these are the images and labels from which a model has learned.
bool learned_from(const std::string& model_file, const data::Dataset& dataset);
// Whether these are its images, whatever their labels are now. False of a dataset without labels.
bool has_seen(const std::string& model_file, const data::Dataset& dataset);
// Returns the --label-map that a model was trained with, for the file of its training, and for others that were not
// imported: their labels are such as those were, unless they are classes without the map and no longer with it. Else
// nothing.
std::string label_map_for(const std::string& dataset, const nn::Model& model);
// Returns the cases of a split. Throws Error(data) if there are none.
std::vector<std::int64_t> cases_of(const data::Dataset& dataset, const std::string& split);

}  // namespace voxgrad::apps

// The plan of a training holds all its settings. What nobody asked for is filled in by rules over the training cases.
// There is no search and no tuning per dataset; every rule is in rules.cpp, geometry.h and preparation_rules.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/training/config.h"
#include "apps/training/rules.h"
#include "data/dataset.h"
#include "data/sampling/loader.h"
#include "losses/core/loss.h"
#include "nn/inference/model.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"

namespace voxgrad::apps {

enum class OnNan { stop, skip, rollback };
const char* name_of(OnNan what);

struct Transfer;  // training/transfer.h

struct Plan {
  TrainConfig config;  // no 0 and no empty text left where that means "from the data"
  nn::ModelSpec model;
  std::int64_t steps = 0;            // of the whole training
  std::int64_t steps_per_epoch = 0;  // one pass over the cases, between 20 and 250
  data::LoaderOptions loader;
  std::shared_ptr<data::Fields> fields;  // of the loader, if the loss asks for some
  nn::OptimizerOptions optimizer;
  nn::ScheduleOptions schedule;
  losses::Context context;  // ignore label, class fractions
  std::vector<std::int64_t> val, test;
  std::vector<std::int64_t> validated;  // those of `val` that the validations look at (training/validation.h)
  OnNan on_nan = OnNan::stop;
  std::vector<Reason> reasons;            // why the settings are as they are; after a resumption they are all as asked
  std::shared_ptr<const Transfer> start;  // the first weights, if they are those of a model

  // Whether the validation cases decide at the end about a clean-up of the labels (clean_up_choice.h).
  bool chooses_clean_up() const { return config.clean_up == "auto" && !val.empty(); }
  // The number of epochs that `done` steps have completed or begun. The last epoch may be shorter than the others.
  std::int64_t epoch_of(std::int64_t done) const { return (done + steps_per_epoch - 1) / steps_per_epoch; }
};

struct Split {
  std::vector<std::int64_t> train, val, test;  // indices of cases
};
// The cases of a fold "k/n", or of the splits of the dataset if `fold` is empty. A split that the file does not have
// is empty. Throws Error(usage) for a fold that does not exist.
Split split_of(const data::Dataset& dataset, const std::string& fold);
// Returns the first fold of a file that has folds and none of the splits train, val and test; else nothing.
std::string only_fold(const data::DatasetInfo& info);
// Says, a sentence each, what makes a training or its results poor before it begins: no cases to validate or to test
// on, and classes that no training case has. Reads training cases until every class was seen.
std::vector<std::string> warnings_of(const data::Dataset& dataset, const Split& split);

// Replaces the reason of a setting.
void explain(Plan& plan, const std::string& setting, const std::string& value, const std::string& why);
// A table with a line for each reason.
std::string reasons_text(const Plan& plan);
Json reasons_json(const Plan& plan);  // [{setting, value, why}]

// Sets the length of a training, with its schedule. `steps` is at least 1.
void set_steps(Plan& plan, std::int64_t steps);

// Decides whether the loss compares with labels or with the label probabilities of the file. Throws Error(data) if they
// are asked for and absent, Error(usage) for a loss that has no meaning for them.
Reason choose_targets(TrainConfig& config, const data::DatasetInfo& info);

// Throws Error(usage) for a setting that is impossible and names its range or what it has to fit. `source` is the model
// of --from, which decides what no setting says of the network, and how images are prepared; for a resumed run it is
// its own model. Error(usage) if the settings name a model and it is absent. If `most_voxels` is not 0, a patch that
// follows from the cases has at most so many.
Plan make_plan(const data::Dataset& dataset, const TrainConfig& wish, const nn::ModelSpec* source = nullptr,
               std::int64_t most_voxels = 0);

// Reads "0:0,255:1" as pairs of a stored value and its class. Throws Error(usage) for another form.
std::map<int, int> parse_label_map(const std::string& text);
// Opens a dataset whose labels are mapped as --label-map says. Without `labels` they are not looked at.
data::Dataset open_dataset(const std::string& path, const std::string& label_map, bool labels = true);
// Returns a setting, which is a text, of the training of a model; empty if its file does not say it.
std::string setting_of(const std::string& model_file, const char* name);
// Returns the fold k/n that a model was trained for, and its cases, if the dataset is that of its training; else
// nothing. In other splits of that dataset are cases that the model has learned from.
std::optional<std::pair<std::string, Split>> fold_of(const std::string& model_file, const data::Dataset& dataset);
// Returns the --label-map that a model was trained with, for a dataset whose labels nobody has mapped yet; else
// nothing.
std::string label_map_for(const std::string& dataset, const std::string& model_file);
// Returns the cases of a split. Throws Error(data) if there are none.
std::vector<std::int64_t> cases_of(const data::Dataset& dataset, const std::string& split);

// Says in a few lines what a person wants to know of a plan before a long wait.
std::string summary(const Plan& plan, const data::DatasetInfo& info, std::int64_t parameters);

}  // namespace voxgrad::apps

// The plan of a training holds all its settings. What nobody asked for is filled in by rules over the training cases.
// There is no search and no tuning per dataset; every rule is in rules.cpp, geometry.h and preparation_rules.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/training/cases.h"
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

struct CasesRead;  // training/preparation.h
struct Transfer;   // training/transfer.h

struct Plan {
  TrainConfig config;  // no 0 and no empty text left where that means "from the data"
  nn::ModelSpec model;
  std::int64_t steps = 0;            // of the whole training
  std::int64_t steps_per_epoch = 0;  // one pass over the cases, between 20 and 250, or more if very long
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
  std::int64_t usual_epoch = 0;           // steps_per_epoch by the number of cases alone; 0: not set yet

  // Whether the validation cases decide at the end about a clean-up of the labels (clean_up_choice.h).
  bool chooses_clean_up() const { return config.clean_up == "auto" && !val.empty(); }
  // True if the cases that the page shows are segmented before it is made: by that choice, or by the test.
  bool page_is_known() const { return chooses_clean_up() || (val.empty() && !test.empty()); }
  // The number of epochs that `done` steps have completed or begun. The last epoch may be shorter than the others.
  std::int64_t epoch_of(std::int64_t done) const { return (done + steps_per_epoch - 1) / steps_per_epoch; }
};

// Replaces the reason of a setting.
void explain(Plan& plan, const std::string& setting, const std::string& value, const std::string& why);
// A table with a line for each reason.
std::string reasons_text(const Plan& plan);
Json reasons_json(const Plan& plan);  // [{setting, value, why}]

// Sets the length of a training, with its schedule. `steps` is at least 1. Epochs are longer if there were too many of
// them: a checkpoint has a record of each in its header, which has 16 MiB at most.
void set_steps(Plan& plan, std::int64_t steps);

// Decides whether the loss compares with labels or with the label probabilities of the file. Throws Error(data) if they
// are asked for and absent, Error(usage) for a loss that has no meaning for them.
Reason choose_targets(TrainConfig& config, const data::DatasetInfo& info);

// Throws Error(usage) for a setting that is impossible and names its range or what it has to fit. `source` is the model
// of --from, which decides what no setting says of the network, and how images are prepared; for a resumed run it is
// its own model. Error(usage) if the settings name a model and it is absent. If `most_voxels` is not 0, a patch that
// follows from the cases has at most so many. `known` spares a second plan for the same cases to read them.
Plan make_plan(const data::Dataset& dataset, const TrainConfig& wish, const nn::ModelSpec* source = nullptr,
               std::int64_t most_voxels = 0, CasesRead* known = nullptr);

// Says in a few lines what a person wants to know of a plan before a long wait.
std::string summary(const Plan& plan, const data::DatasetInfo& info, std::int64_t parameters);

}  // namespace voxgrad::apps

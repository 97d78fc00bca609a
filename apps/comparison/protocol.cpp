#include "apps/comparison/protocol.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/program/manifest.h"
#include "apps/program/words.h"
#include "apps/training/validation.h"
#include "data/attributes.h"
#include "data/exchange/source.h"
#include "data/fingerprint.h"
#include "engine/error.h"
#include "losses/core/loss.h"
#include "losses/metrics/aggregate.h"

namespace voxgrad::apps {
namespace {

// Returns for each connected object of the foreground classes the diameter in mm of a disc or ball of its size, sorted.
std::vector<double> object_sizes(const data::Case& one, const data::DatasetInfo& info, std::int64_t classes) {
  double voxel = 1;
  for (const double extent : one.spacing) voxel *= extent;
  const double dims = info.dims;
  std::vector<double> sizes;
  for (std::int64_t label = 1; label < classes; ++label)
    for (const std::int64_t voxels : data::component_sizes(one.label, static_cast<std::uint8_t>(label)))
      sizes.push_back(2 * std::pow(static_cast<double>(voxels) * voxel / (dims == 2 ? M_PI : 4 * M_PI / 3), 1 / dims));
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

// Returns what is known of the cases without a prediction.
std::vector<TestCase> describe(const data::Dataset& dataset, const std::vector<std::int64_t>& cases) {
  const int ignore = dataset.info().ignore_label;
  std::vector<TestCase> found;
  for (const std::int64_t index : cases) {
    const data::Case one = dataset.read(index);
    const std::uint8_t* labels = one.label.data<std::uint8_t>();
    std::int64_t known = 0, foreground = 0;
    for (std::int64_t i = 0; i < one.label.numel(); ++i) {
      known += labels[i] != ignore ? 1 : 0;
      foreground += labels[i] != ignore && labels[i] != 0 ? 1 : 0;
    }
    found.push_back({one.id, static_cast<double>(foreground) / static_cast<double>(std::max<std::int64_t>(known, 1)),
                     losses::quantile(object_sizes(one, dataset.info(), dataset.classes()), 0.5), one.group});
  }
  return found;
}

// Slices of a patient count as independent cases if the file names no groups. This says so, if the names of the cases
// look like it.
std::string unnamed_groups(const data::DatasetInfo& info, const std::vector<std::int64_t>& tested) {
  const data::NamedGroups named = data::groups_in_names(info.case_ids);
  if (!info.groups.empty() || named.of.empty()) return "";
  std::set<std::string> patients;
  for (const std::int64_t index : tested) patients.insert(nth(named.of, index));
  const auto is_numbered = [](const std::string& name) {  // else it may be a class
    return name.find_first_of("0123456789") != std::string::npos;
  };
  if (patients.size() == tested.size() || std::none_of(patients.begin(), patients.end(), is_numbered)) return "";
  return text("by their names, the ", tested.size(), " test cases are of ", count_text(patients.size(), "patient"),
              ", and each counts as independent, because the file has no groups: intervals and p-values are too small; "
              "if so, make the dataset with --groups '",
              named.pattern, "'");
}

// Adds how the trainings of one fold are done: the settings that all losses share, and the number of cases. Where folds
// differ, every value is named.
void add_settings(Json& used, const Plan& plan) {
  Json own = to_json(plan.config);
  for (const char* name : {"data", "from", "loss", "fold", "seed", "epochs"}) own.erase(name);
  own["training_cases"] = plan.loader.cases.size();
  own["validation_cases"] = plan.val.size();
  own["test_cases"] = plan.test.size();
  const auto words = [](const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  for (const auto& [name, value] : own.items()) {
    Json& known = used["settings"][name];
    if (known.is_null())
      known = value;
    else if (known != value && (" " + words(known) + " ").find(" " + words(value) + " ") == std::string::npos)
      known = words(known) + " or " + words(value);
  }
}

// What identifies a dataset, and says whose it is.
void add_identity(Json& used, const data::DatasetInfo& info, const DatasetChecksums& sums) {
  used["images_crc32"] = sums.images;
  used["labels_crc32"] = sums.labels;
  if (!info.class_colours.empty()) used["class_colours"] = data::text_of(info.class_colours);
  for (const char* name : {"license", "source", "citation"})
    if (const auto found = info.attributes.find(name); found != info.attributes.end()) used[name] = found->second;
}

}  // namespace

Protocol::Protocol(const CompareOptions& options) : options_(options) {
  check_losses();
  open_datasets();
  question_.protocol = record();
  question_.versions = manifest();
  tasks_ = own_tasks();
}

void Protocol::check_losses() const {
  std::set<std::string> folders;
  for (const std::string& loss : options_.losses) {
    losses::make_loss(loss);
    if (!folders.insert(file_name(loss)).second)
      throw Error(ErrorKind::usage, "--losses: " + loss + " is named twice, or like another loss in the same letters");
  }
  if (!options_.baseline.empty() && !folders.contains(file_name(options_.baseline)))
    throw Error(ErrorKind::usage, "--baseline " + options_.baseline + " is not one of --losses");
}

void Protocol::open_datasets() {
  std::set<std::string> names;
  for (const std::string& path : options_.datasets) {
    const data::Dataset dataset = open_dataset(path, options_.config.label_map);
    const data::DatasetInfo& info = dataset.info();
    if (!names.insert(file_name(info.name)).second)
      throw Error(ErrorKind::usage,
                  "compare: " + path + " and another dataset would share the folder " + file_name(info.name),
                  "rename one of the files");
    opened_.push_back(dataset);
    for (const std::string& loss : options_.losses) {
      TrainConfig one = options_.config;
      one.loss = loss;
      choose_targets(one, info);
    }
    std::vector<std::string> warnings;
    std::vector<std::int64_t> tested;
    Json used = Json::object();
    for (const int fold : folds()) {
      const Plan first = plan({opened_.size() - 1, options_.losses.front(), fold, options_.config.seed, 0});
      require_validations(first);
      planned_[{opened_.size() - 1, fold}] = {first.config, first.reasons};
      add_settings(used, first);
      if (first.test.empty()) throw Error(ErrorKind::data, path + ": no cases in the split `test`");
      if (options_.tune && first.val.empty())
        throw Error(ErrorKind::data,
                    path + ": --tune chooses the learning rate by validation cases, and there are none",
                    "name some in the split `val`, or leave --tune away");
      tested.insert(tested.end(), first.test.begin(), first.test.end());
      for (std::string& warning : warnings_of(dataset, {first.loader.cases, first.val, first.test}))
        warnings.push_back(fold < 0 ? std::move(warning) : text("fold ", fold, ": ", warning));
    }
    checksums_.push_back(checksums_of(dataset));  // after plan(), which refuses a dataset without labels
    add_identity(used, info, checksums_.back());
    std::sort(tested.begin(), tested.end());
    if (std::string words = unnamed_groups(info, tested); !words.empty()) warnings.push_back(std::move(words));
    question_.datasets.push_back({info.name, path, info.dims, info.class_names, describe(dataset, tested), warnings,
                                  info.physical ? "mm" : "px", used});
  }
}

// Returns what results.json says of the protocol.
Json Protocol::record() const {
  Json settings = to_json(options_.config);
  for (const char* name : {"data", "loss", "fold", "seed"}) settings.erase(name);
  const bool usual = std::find(options_.losses.begin(), options_.losses.end(), "dice_ce") != options_.losses.end();
  const auto asked = std::find_if(options_.losses.begin(), options_.losses.end(), [&](const std::string& loss) {
    return !options_.baseline.empty() && file_name(loss) == file_name(options_.baseline);
  });
  return {{"command", command_of(options_)},
          {"losses", options_.losses},
          {"baseline", asked != options_.losses.end() ? *asked
                       : usual                        ? "dice_ce"
                                                      : options_.losses.front()},
          {"first_seed", options_.config.seed},
          {"seeds", options_.seeds},
          {"folds", options_.folds},
          {"tune", options_.tune},
          {"settings", settings}};
}

std::vector<int> Protocol::folds() const {
  if (options_.folds <= 0) return {-1};
  std::vector<int> all;
  for (int fold = 0; fold < options_.folds; ++fold) all.push_back(fold);
  return all;
}

std::vector<Task> Protocol::own_tasks() const {
  std::vector<Task> tasks;
  int number = 0, pair = 0;
  for (std::size_t d = 0; d < options_.datasets.size(); ++d)
    for (const std::string& loss : options_.losses) {
      for (const int fold : folds())
        for (int k = 0; k < options_.seeds; ++k)
          if ((options_.tune ? pair : number++) % options_.of_shards == options_.shard)
            tasks.push_back({d, loss, fold, options_.config.seed + static_cast<std::uint64_t>(k), 0});
      ++pair;
    }
  return tasks;
}

Task Protocol::trial(const Task& task) const { return {task.dataset, task.loss, task.fold, options_.config.seed, 0}; }

std::int64_t Protocol::short_steps(const data::Dataset& dataset, const TrainConfig& config) const {
  constexpr std::int64_t kMost = 3000;
  const auto classes = static_cast<double>(dataset.classes() - 1);
  const auto cases = std::ssize(split_of(dataset, config.fold).train);
  const std::int64_t pass = cases / std::max<std::int64_t>(config.batch, 1) + 1;
  return std::max(pass, std::min(kMost, std::lround(static_cast<double>(options_.short_steps) * std::sqrt(classes))));
}

Plan Protocol::plan(const Task& task) const {
  TrainConfig config = options_.config;
  config.data = options_.datasets[task.dataset];
  config.loss = task.loss;
  config.seed = task.seed;
  if (task.fold >= 0) config.fold = text(task.fold, "/", options_.folds);
  if (task.lr > 0) config.lr = task.lr;
  if (options_.short_steps > 0 && config.steps == 0 && config.epochs == 0)
    config.steps = short_steps(opened_[task.dataset], config);
  const auto found = planned_.find({task.dataset, task.fold});
  if (found != planned_.end()) {
    const TrainConfig& planned = found->second.config;
    config.crop = planned.crop;
    config.spacing = planned.spacing;
    config.normalise = planned.normalise;
    config.augment = planned.augment;
    config.patch = planned.patch;
    config.depth = planned.depth;
    config.batch = planned.batch;  // which depends on the memory that was free then
  }
  Plan plan = make_plan(opened_[task.dataset], config);
  plan.loader.cache_bytes = options_.cache_bytes;
  if (found != planned_.end())  // nobody asked for what the rules chose
    for (const Reason& reason : found->second.reasons)
      for (const char* name : {"crop", "spacing", "normalise", "augment", "patch", "depth", "batch"})
        if (reason.setting == name) explain(plan, reason.setting, reason.value, reason.why);
  return plan;
}

double Protocol::work(const Task& task) const {
  const TrainConfig& config = planned_.at({task.dataset, task.fold}).config;
  double voxels = static_cast<double>(config.steps) * static_cast<double>(config.batch);
  for (const std::int64_t extent : parse_sizes(config.patch, question_.datasets[task.dataset].dims, "--patch"))
    voxels *= static_cast<double>(extent);
  return voxels;
}

std::string Protocol::path(const Task& task) const {
  return text(file_name(dataset_name(task)), "/", file_name(task.loss), "/",
              task.lr > 0 ? text("lr_", task.lr, "_") : "", task.fold >= 0 ? text("fold_", task.fold, "_") : "",
              "seed_", task.seed);
}

}  // namespace voxgrad::apps

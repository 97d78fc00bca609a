#include "apps/comparison/compare.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "apps/comparison/answers.h"
#include "apps/comparison/live.h"
#include "apps/comparison/workers.h"
#include "apps/program/signals.h"
#include "apps/training/plan.h"
#include "apps/training/run_directory.h"
#include "apps/training/session.h"
#include "apps/training/watch.h"
#include "data/fingerprint.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "losses/core/loss.h"

namespace voxgrad::apps {
namespace {

namespace fs = std::filesystem;

constexpr double kRateFactors[]{1, 1.0 / 3, 3};  // of --tune; the first wins a tie

// As a name of a folder.
std::string folder_name(std::string name) {
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_' && c != '.' && c != '=') c = '_';
  return name;
}

// The settings in which a run that lies there differs from this one; empty if it is the same.
std::string difference(const Json& there, const Json& here) {
  for (const auto& [name, value] : here.items())
    if (name != "data" && (!there.contains(name) || there.at(name) != value))
      return name + " " + (there.contains(name) ? there.at(name).dump() : "(none)") + " there, " + value.dump() +
             " here";
  return "";
}

// What is known of the cases without a prediction.
std::vector<TestCase> describe(const data::Dataset& dataset, const std::vector<std::int64_t>& cases) {
  std::vector<TestCase> found;
  for (const std::int64_t index : cases) {
    const data::Case one = dataset.read(index);
    const std::uint8_t* labels = one.label.data<std::uint8_t>();
    const int ignore = dataset.info().ignore_label;
    std::int64_t known = 0, foreground = 0;
    std::vector<double> sizes;
    for (std::int64_t i = 0; i < one.label.numel(); ++i) {
      known += labels[i] != ignore ? 1 : 0;
      foreground += labels[i] != ignore && labels[i] != 0 ? 1 : 0;
    }
    double voxel = 1;
    for (const double extent : one.spacing) voxel *= extent;
    const double dims = dataset.info().dims;
    for (std::int64_t label = 1; label < dataset.classes(); ++label)
      for (const std::int64_t voxels : data::component_sizes(one.label, static_cast<std::uint8_t>(label)))
        // Diameter of the disc or ball of this area or volume.
        sizes.push_back(2 *
                        std::pow(static_cast<double>(voxels) * voxel / (dims == 2 ? M_PI : 4 * M_PI / 3), 1 / dims));
    std::sort(sizes.begin(), sizes.end());
    found.push_back({one.id, static_cast<double>(foreground) / static_cast<double>(std::max<std::int64_t>(known, 1)),
                     quantile(sizes, 0.5)});
  }
  return found;
}

// One training of the protocol.
struct Task {
  std::size_t dataset;
  std::string loss;
  int fold;  // -1: the split of the file
  std::uint64_t seed;
  double lr;  // 0: as the settings say
};

class Comparer {
 public:
  Comparer(const CompareOptions& options, Device device, Console& console)
      : options_(options), device_(device), console_(console) {}

  // Trains and reads the tasks of this shard; all of them without shards.
  Comparison run() {
    start();
    if (options_.merge) refuse_gaps();
    comparison_.runs.clear();
    try {
      for (const Task& task : tasks_) {
        bool trained = false;
        comparison_.runs.push_back(one(options_.tune ? tuned(task) : task, trained));
        if (!shown_.contains(comparison_.runs.back().path)) live_->show(comparison_, trained);
        if (const int signal = pending_signal()) throw Interrupted{signal};
      }
    } catch (const Interrupted&) {
      write_what_is_there();
      throw;
    }
    return comparison_;
  }

  // Trains the tasks of this shard in several processes and shows what they have done. What they leave is for run().
  void share() {
    // Not by two of them at once.
    Workers(1, [&](int) {
      Console quiet(-1);
      Comparer(options_, device_, quiet).make_fields();
    }).wait();
    Workers workers(options_.jobs, [&](int job) {
      CompareOptions own = options_;
      own.shard = options_.shard + job * options_.of_shards;
      own.of_shards = options_.of_shards * options_.jobs;
      set_threads(std::max(1, threads() / options_.jobs));
      Console quiet(-1);
      Comparer(own, device_, quiet).run();
    });
    start();
    int told = 0;
    for (bool first = true; workers.pause(); first = false) {
      const int signal = pending_signal();
      if (signal != 0 && told == 0) workers.send(told = signal);
      look(!first);
    }
    look(true);
    if (const int signal = pending_signal()) {
      write_what_is_there();
      throw Interrupted{signal};
    }
  }

 private:
  void start() {
    if (live_) return;
    prepare();
    tasks_ = own_tasks();
    live_.emplace(console_, tasks_.size());
  }

  // Shows the runs that have ended since the last look.
  void look(bool trained) {
    for (const Task& task : tasks_) {
      const std::string path = path_of(task);
      if (shown_.contains(path) || !ended(path)) continue;
      ComparedRun result = result_of(task, plan_of(task));
      complete(path, plan_of(task), opened_[task.dataset], result);
      comparison_.runs.push_back(result);
      shown_.insert(path);
      live_->show(comparison_, trained);
    }
  }

  // The maps that the losses ask for, into the caches beside the datasets.
  void make_fields() {
    start();
    for (const Task& task : tasks_) {
      if (task.seed != options_.config.seed || ended(path_of(task))) continue;
      const Plan plan = plan_of(task);
      if (!plan.fields) continue;
      plan.fields->prepare(
          opened_[task.dataset], plan.loader.cases, plan.loader.patch, [] {}, [](const std::string&) {});
    }
  }

  void write_what_is_there() const {
    if (options_.of_shards > 1 || comparison_.runs.empty()) return;
    write_comparison(comparison_, findings_of(comparison_), options_.out);
  }

  // Everything that can be wrong with the question is found before the first long answer.
  void prepare() {
    std::set<std::string> names, folders;
    for (const std::string& loss : options_.losses) {
      losses::make_loss(loss);
      if (!folders.insert(folder_name(loss)).second)
        throw Error(ErrorKind::usage,
                    "--losses: " + loss + " is named twice, or like another loss in the same letters");
    }
    if (!options_.baseline.empty() && !folders.contains(folder_name(options_.baseline)))
      throw Error(ErrorKind::usage, "--baseline " + options_.baseline + " is not one of --losses");
    for (const std::string& path : options_.datasets) {
      data::DatasetOptions label_map;
      label_map.label_map = parse_label_map(options_.config.label_map);
      const data::Dataset dataset = data::Dataset::open(path, label_map);
      const data::DatasetInfo& info = dataset.info();
      if (!names.insert(info.name).second)
        throw Error(ErrorKind::usage, "compare: two datasets are named " + info.name, "rename one of the files");
      opened_.push_back(dataset);
      std::vector<std::int64_t> tested;
      for (int fold = options_.folds > 0 ? 0 : -1; fold < std::max(options_.folds, 0); ++fold) {
        const Plan plan = plan_of({opened_.size() - 1, options_.losses.front(), fold, options_.config.seed, 0});
        if (plan.test.empty()) throw Error(ErrorKind::data, path + ": no cases in the split `test`");
        tested.insert(tested.end(), plan.test.begin(), plan.test.end());
      }
      std::sort(tested.begin(), tested.end());
      comparison_.datasets.push_back({info.name, path, info.dims, info.class_names, describe(dataset, tested)});
    }
    Json settings = to_json(options_.config);
    for (const char* name : {"data", "loss", "fold", "seed"}) settings.erase(name);
    const bool usual = std::find(options_.losses.begin(), options_.losses.end(), "dice_ce") != options_.losses.end();
    comparison_.protocol = {{"command", command_of(options_)},
                            {"losses", options_.losses},
                            {"baseline", !options_.baseline.empty() ? options_.baseline
                                         : usual                    ? "dice_ce"
                                                                    : options_.losses.front()},
                            {"first_seed", options_.config.seed},
                            {"seeds", options_.seeds},
                            {"folds", options_.folds},
                            {"tune", options_.tune},
                            {"settings", settings}};
  }

  Plan plan_of(const Task& task) const {
    TrainConfig config = options_.config;
    config.data = options_.datasets[task.dataset];
    config.loss = task.loss;
    config.seed = task.seed;
    if (task.fold >= 0) config.fold = text(task.fold, "/", options_.folds);
    if (task.lr > 0) config.lr = task.lr;
    return make_plan(opened_[task.dataset], config);
  }

  std::string path_of(const Task& task) const {
    return text(folder_name(comparison_.datasets[task.dataset].name), "/", folder_name(task.loss), "/",
                task.lr > 0 ? text("lr_", task.lr, "_") : "", task.fold >= 0 ? text("fold_", task.fold, "_") : "",
                "seed_", task.seed);
  }

  // In the order of the results. With --tune a shard has all runs of a loss on a dataset, because they need the rate
  // that the first ones find.
  std::vector<Task> own_tasks() const {
    std::vector<Task> tasks;
    int number = 0, pair = 0;
    for (std::size_t d = 0; d < options_.datasets.size(); ++d)
      for (const std::string& loss : options_.losses) {
        for (int fold = options_.folds > 0 ? 0 : -1; fold < std::max(options_.folds, 0); ++fold)
          for (int k = 0; k < options_.seeds; ++k)
            if ((options_.tune ? pair : number++) % options_.of_shards == options_.shard)
              tasks.push_back({d, loss, fold, options_.config.seed + static_cast<std::uint64_t>(k), 0});
        ++pair;
      }
    return tasks;
  }

  // The task with the learning rate that is best in validation.
  Task tuned(Task task) {
    const auto key = std::make_pair(task.dataset, task.loss);
    const auto known = rates_.find(key);
    if (known != rates_.end()) {
      task.lr = known->second;
      return task;
    }
    Task trial{task.dataset, task.loss, options_.folds > 0 ? 0 : -1, options_.config.seed, 0};
    const double usual = plan_of(trial).config.lr;
    double best = -1, rate = usual;
    for (const double factor : kRateFactors) {
      trial.lr = usual * factor;
      bool trained = false;
      const ComparedRun run = one(trial, trained);
      const double dice = run.diverged || std::isnan(run.val_dice) ? -0.5 : run.val_dice;
      if (dice > best) {
        best = dice;
        rate = trial.lr;
      }
    }
    rates_[key] = task.lr = rate;
    return task;
  }

  void refuse_gaps() {
    std::vector<std::string> missing;
    for (const Task& task : tasks_) {
      ComparedRun result;
      if (!options_.tune && !complete(path_of(task), plan_of(task), opened_[task.dataset], result))
        missing.push_back(path_of(task));
    }
    if (!missing.empty())
      throw Error(ErrorKind::usage,
                  text("--merge: ", missing.size(), " of ", tasks_.size(), " runs are not complete, the first is ",
                       options_.out, "/", missing.front()),
                  "run the shards that are missing; without --merge this process trains what is left");
  }

  ComparedRun one(const Task& task, bool& trained) {
    const std::string below = path_of(task), path = options_.out + "/" + below;
    const data::Dataset& dataset = opened_[task.dataset];
    const Plan plan = plan_of(task);
    const std::string& name = comparison_.datasets[task.dataset].name;
    ComparedRun result = result_of(task, plan);
    if (complete(below, plan, dataset, result)) return result;
    if (options_.merge)
      throw Error(ErrorKind::usage, "--merge: the run " + path + " is not complete",
                  "run the shard that it belongs to");
    trained = true;
    Watch watch(console_, text(name, " ", task.loss, "  "), false);
    try {
      const bool begun = RunDirectory::exists(path) && fs::exists(path + "/last.safetensors");
      RunDirectory directory = RunDirectory::exists(path) ? RunDirectory::reopen(path) : RunDirectory::create(path);
      Session session(dataset, plan, directory, watch, device_, text("train --loss ", task.loss, " -o ", path));
      if (begun) session.resume();
      session.run();
      session.save_missing();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::diverged) throw;
      console_.warn(text(name, " ", task.loss, " seed ", task.seed, ": ", error.message()));
    }
    if (!complete(below, plan, dataset, result))
      throw Error(ErrorKind::io, path + "/run.json: the result was not written");
    return result;
  }

  // Without its results.
  ComparedRun result_of(const Task& task, const Plan& plan) const {
    const std::string& name = comparison_.datasets[task.dataset].name;
    return {name, task.loss, task.seed, task.fold, false, {}, 0, plan.config.lr, 0, 0, {}, path_of(task)};
  }

  bool ended(const std::string& below) const {
    const std::string path = options_.out + "/" + below + "/run.json";
    if (!fs::exists(path)) return false;
    const std::string reason = Json::parse(read_text(path)).at("exit_reason");
    return reason == "finished" || reason == "diverged";
  }

  // True if the run has ended; then `result` is filled from its directory.
  bool complete(const std::string& below, const Plan& plan, const data::Dataset& dataset, ComparedRun& result) {
    const std::string path = options_.out + "/" + below;
    if (!fs::exists(path + "/run.json")) return false;
    const Json json = Json::parse(read_text(path + "/run.json"));
    const std::string differs = difference(json.at("config"), to_json(plan.config));
    const bool same_data = json.at("dataset").at("images_crc32") == dataset.info().images_crc32 &&
                           json.at("dataset").at("labels_crc32") == dataset.info().labels_crc32;
    if (!differs.empty() || !same_data)
      throw Error(ErrorKind::usage, path + ": a run of another protocol: " + (differs.empty() ? "other data" : differs),
                  "give this comparison a directory of its own with -o");
    if (!ended(below)) return false;
    result.seconds = json.at("seconds");
    result.memory = json.at("peak_tensor_bytes");
    result.diverged = json.at("exit_reason") == "diverged";
    if (result.diverged) return true;
    const Json& results = json.at("results");
    result.val_dice = to_number(results.at("val").at("dice_mean"));
    result.history = history_from_json(results.at("history"));
    result.cases = cases_from(results.at("test_cases"), comparison_.numbers);
    return true;
  }

  const CompareOptions& options_;
  Device device_;
  Console& console_;
  std::vector<data::Dataset> opened_;
  std::map<std::pair<std::size_t, std::string>, double> rates_;
  Comparison comparison_;
  std::vector<Task> tasks_;
  std::optional<Live> live_;
  std::set<std::string> shown_;  // paths of runs
};

}  // namespace

Comparison compare(const CompareOptions& options, Device device, Console& console) {
  const SignalGuard guard;
  Comparer comparer(options, device, console);
  if (options.jobs > 1 && !options.merge) {
    if (device == Device::cuda)
      throw Error(ErrorKind::usage, "--jobs with --device cuda: a card is not shared by processes of one program",
                  "start them by hand with --shard i/n");
    comparer.share();
  }
  return comparer.run();
}

}  // namespace voxgrad::apps
